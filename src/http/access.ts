/** Who gets in: all that is decided of a request before it reaches what it asks for. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessToken, Identity } from '../domain/access.js'
import { answerError, type PlainError } from './answers.js'
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

export interface Refusal extends PlainError {
  status: number
}

const UNAUTHENTICATED = { status: 401, code: 'UNAUTHENTICATED' } as const

export class Access {
  readonly #tokens: Tokens
  readonly #origins: Origins
  readonly #requests: RateLimit
  readonly #strangers: RateLimit

  constructor({ tokens, origins, rateLimit }: AccessSettings) {
    this.#tokens = new Tokens(tokens)
    const perMinute = this.needsToken ? rateLimit : null
    this.#origins = new Origins({ allowed: origins, needsToken: this.needsToken })
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
    const refusal = await this.countRequest(found)
    return refusal === null ? found : refuse(req, res, refusal)
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

  /** Why it is refused, where there have been too many; null where there have not. */
  async countRequest({ space }: Identity): Promise<Refusal | null> {
    return tooMany(await this.#requests.take(space))
  }

  async #identify(authorization: string | undefined, address: string | undefined): Promise<Identity | Refusal> {
    const identity = this.#tokens.identify(authorization)
    if (identity !== null) return identity
    if (authorization === undefined) {
      return { ...UNAUTHENTICATED, message: 'A token is needed: expected the header "Authorization: Bearer <token>"' }
    }
    // Whoever tries tokens out is counted by the address; a browser that is yet to ask for one does not wait for them.
    const refusal = tooMany(await this.#strangers.take(address ?? ''))
    const message = 'The Authorization header has no token of this server: expected "Bearer <token>"'
    return refusal ?? { ...UNAUTHENTICATED, message }
  }
}

function tooMany(retryAfterMs: number | null): Refusal | null {
  if (retryAfterMs === null) return null
  return { status: 429, code: 'RATE_LIMITED', message: 'Too many requests within a minute', retryAfterMs }
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
