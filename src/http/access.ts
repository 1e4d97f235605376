/** Who gets in: all that is decided of a request before it reaches what it asks for. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessToken, Identity } from '../domain/access.js'
import type { ApiErrorCode } from '../graphql/errors.js'
import { answerError } from './answers.js'
import { Origins } from './origins.js'
import { createRateLimit, type RateLimit } from './rate-limit.js'
import { Tokens } from './tokens.js'

export interface AccessSettings {
  /** Empty: everybody who reaches the server is let in, as from this machine alone. */
  tokens: readonly AccessToken[]
  /** Web origins that may call besides the server's own. */
  origins: readonly string[]
  /** Requests a minute of a token, and unsuccessful tries of an address. Null, and without tokens: no limit. */
  rateLimit: number | null
}

interface Refusal {
  status: number
  code: ApiErrorCode
  message: string
  retryAfterMs?: number
}

const TOO_MANY = 'Too many requests within a minute'

export class Access {
  readonly #tokens: Tokens
  readonly #origins: Origins
  readonly #requests: RateLimit
  readonly #strangers: RateLimit

  constructor({ tokens, origins, rateLimit }: AccessSettings) {
    this.#tokens = new Tokens(tokens)
    const perMinute = this.#tokens.required ? rateLimit : null
    this.#origins = new Origins({ allowed: origins, needsToken: this.#tokens.required })
    this.#requests = createRateLimit(perMinute)
    this.#strangers = createRateLimit(perMinute)
  }

  /** Whether tokens are asked for. */
  get needsToken(): boolean {
    return this.#tokens.required
  }

  /** On whose behalf the request is made; null where it has been answered already. `opensPage`: see Origins.refusal. */
  async admit(req: IncomingMessage, res: ServerResponse, opensPage: boolean): Promise<Identity | null> {
    const foreign = this.#origins.refusal(req, opensPage)
    if (foreign !== null) return refuse(req, res, { status: 403, code: 'FORBIDDEN', message: foreign })
    for (const [name, value] of Object.entries(this.#origins.corsHeaders(req))) res.setHeader(name, value)
    if (req.method === 'OPTIONS') {
      // What a browser asks before the request itself, and without its token.
      res.writeHead(204, { allow: 'GET, HEAD, POST, OPTIONS' }).end()
      return null
    }
    const found = await this.#identify(req.headers.authorization, req.socket.remoteAddress)
    if ('status' in found) return refuse(req, res, found)
    const tooMany = await this.refusesRate(found)
    return tooMany === null ? found : refuse(req, res, tooMany)
  }

  /** Whether a WebSocket may not be opened from there; whose it is shows when it is. */
  refusesOrigin(req: IncomingMessage): boolean {
    return this.#origins.refusal(req) !== null
  }

  /** Whose WebSocket it is; null where it is nobody's whom we know. */
  async identify(authorization: string | undefined, address: string | undefined): Promise<Identity | null> {
    const found = await this.#identify(authorization, address)
    return 'status' in found ? null : found
  }

  /** Counts a request; not null where there have been too many. */
  async refusesRate({ space }: Identity): Promise<Refusal | null> {
    const retryAfterMs = await this.#requests.take(space)
    return retryAfterMs === null ? null : { status: 429, code: 'RATE_LIMITED', message: TOO_MANY, retryAfterMs }
  }

  async #identify(authorization: string | undefined, address: string | undefined): Promise<Identity | Refusal> {
    const identity = this.#tokens.identify(authorization)
    if (identity !== null) return identity
    // Whoever tries tokens out is counted by the address: those who have one do not wait for them.
    const retryAfterMs = await this.#strangers.take(address ?? '')
    if (retryAfterMs !== null) return { status: 429, code: 'RATE_LIMITED', message: TOO_MANY, retryAfterMs }
    const message =
      authorization === undefined
        ? 'A token is needed: expected the header "Authorization: Bearer <token>"'
        : 'The Authorization header has no token of this server: expected "Bearer <token>"'
    return { status: 401, code: 'UNAUTHENTICATED', message }
  }
}

function refuse(req: IncomingMessage, res: ServerResponse, { status, ...error }: Refusal): null {
  if (status === 401) res.setHeader('www-authenticate', challengeFor(req))
  answerError(res, status, error)
  return null
}

/** A browser that shows a page asks its user; one whose page asks for something must not. */
function challengeFor({ headers }: IncomingMessage): string {
  const showsPage = headers.accept?.includes('text/html') === true
  return showsPage ? 'Basic realm="Heddle: the token is the password", charset="UTF-8"' : 'Bearer realm="Heddle"'
}
