/** Who gets in: all that is decided of a request before it reaches what it asks for. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../clock.js'
import { type AccessToken, type Identity, Scope } from '../domain/access.js'
import type { ExportLinks, LinkVerdict, SignedLink } from '../domain/export-links.js'
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
  /** What links are signed with. */
  links: ExportLinks
  clock: Clock
}

/** How a request may get in besides. */
export interface Entrance {
  /** See Origins.refusal. */
  opensPage: boolean
  /** The link that it follows; null where it follows none. */
  link: SignedLink | null
}

export interface Refusal extends PlainError {
  status: number
}

const UNAUTHENTICATED = { status: 401, code: 'UNAUTHENTICATED' } as const

const LINK_REFUSALS = {
  EXPIRED: 'The link has expired: ask for Run.exportUrl again, or send a token',
  FORGED:
    'The link is not one of this server, or its token is not any more: ask for Run.exportUrl again, or send a token',
} as const

export class Access {
  readonly #tokens: Tokens
  readonly #origins: Origins
  readonly #requests: RateLimit
  readonly #strangers: RateLimit
  readonly #links: ExportLinks
  readonly #clock: Clock

  constructor({ tokens, origins, rateLimit, links, clock }: AccessSettings) {
    this.#tokens = new Tokens(tokens)
    const perMinute = this.needsToken ? rateLimit : null
    this.#origins = new Origins({ allowed: origins, needsToken: this.needsToken })
    this.#requests = createRateLimit(perMinute)
    this.#strangers = createRateLimit(perMinute)
    this.#links = links
    this.#clock = clock
  }

  /** Whether tokens are asked for. */
  get needsToken(): boolean {
    return this.#tokens.required
  }

  /** On whose behalf the request is made; null where it has been answered already. */
  async admit(req: IncomingMessage, res: ServerResponse, { opensPage, link }: Entrance): Promise<Identity | null> {
    const foreign = this.#origins.refusal(req, opensPage)
    if (foreign !== null) return refuse(req, res, { status: 403, code: 'FORBIDDEN', message: foreign })
    for (const [name, value] of Object.entries(this.#origins.corsHeaders(req))) res.setHeader(name, value)
    if (req.method === 'OPTIONS') {
      // What a browser asks before the request itself, and without its token.
      res.writeHead(204, { allow: 'GET, HEAD, POST, OPTIONS' }).end()
      return null
    }
    const found = await this.#identify(req.headers.authorization, req.socket.remoteAddress, link)
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

  async #identify(
    authorization: string | undefined,
    address: string | undefined,
    link: SignedLink | null = null,
  ): Promise<Identity | Refusal> {
    const linked = this.#linked(link)
    // A browser sends along what it remembers of a token: the link is what was followed.
    if (linked !== null && 'space' in linked) return { space: linked.space, scopes: LINKED }
    const identity = this.#tokens.identify(authorization)
    if (identity !== null) return identity
    if (linked !== null) {
      const message = LINK_REFUSALS[linked.refused]
      return tooMany(await this.#strangers.take(address ?? '')) ?? { status: 403, code: 'FORBIDDEN', message }
    }
    if (authorization === undefined) {
      return { ...UNAUTHENTICATED, message: 'A token is needed: expected the header "Authorization: Bearer <token>"' }
    }
    // Whoever tries tokens out is counted by the address; a browser that is yet to ask for one does not wait for them.
    const refusal = tooMany(await this.#strangers.take(address ?? ''))
    const message = 'The Authorization header has no token of this server: expected "Bearer <token>"'
    return refusal ?? { ...UNAUTHENTICATED, message }
  }

  /** Null where there is no link, or no need of one. */
  #linked(link: SignedLink | null): LinkVerdict | null {
    if (link === null || !this.needsToken) return null
    return this.#links.check(link, this.#tokens.spacesWith(Scope.READ), this.#clock.now().getTime())
  }
}

/** What a link opens: reading, and its route sees to it that nothing else is read. */
const LINKED: ReadonlySet<Scope> = new Set([Scope.READ])

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
