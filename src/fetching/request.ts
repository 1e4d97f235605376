/** One request of a task: redirects, checks of each step, the timeout, and what came of it. */

import type { Dispatcher } from 'undici'
import type { FetchRequest } from '../domain/batch.js'
import { isRetryableStatus, type TaskErrorCode, TaskFailure } from '../domain/errors.js'
import { isSafeMethod } from '../domain/requests.js'
import { MAX_RETRY_AFTER_MS } from '../domain/retry.js'
import type { Abortable, AbortGroup } from './aborts.js'
import { type BodyLimits, tooLarge } from './body.js'
import { type Coding, parseContentEncoding } from './decoding.js'
import type { FetchOutcome, FetchSettings } from './fetcher.js'
import {
  type AnswerHeaders,
  type HeaderList,
  hasHeader,
  parseRetryAfter,
  requestHeaders,
  withoutBodyHeaders,
  withoutOriginHeaders,
} from './headers.js'
import { Hop, type HopListener } from './hop.js'
import type { BodyMemory } from './memory.js'
import { emptyOutput, maxKeptBytes, toOutput } from './output.js'
import { Phases } from './phases.js'
import type { Pools } from './pools.js'

export interface ExchangeOptions {
  request: FetchRequest
  settings: FetchSettings
  pools: Pools
  /** Whoever ends the requests of a signal finds this one here while it goes on. */
  group: AbortGroup
  memory: BodyMemory
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])
/** A redirect's own body is read so that the connection can be kept, if it is small. */
const MAX_REDIRECT_BODY_BYTES = 65_536

export class Exchange implements HopListener, Abortable {
  place = -1
  readonly #request: FetchRequest
  readonly #settings: FetchSettings
  readonly #pools: Pools
  readonly #group: AbortGroup
  readonly #memory: BodyMemory
  readonly #resolve: (outcome: FetchOutcome) => void
  readonly #phases = new Phases()
  readonly #startedMs = performance.now()
  #timer: NodeJS.Timeout | null = null
  #settled = false

  #url: URL | null = null
  #host = ''
  #method = ''
  #headers: HeaderList = []
  #body: string | null = null
  #hop: Hop | null = null
  #redirects = 0

  #status: number | null = null
  #contentType: string | null = null
  #retryAfterMs: number | null = null
  /** Where the answer sends us, once its body has been read. */
  #next: URL | null = null
  /** What the answer's headers have decided; its body is read all the same. */
  #verdict: TaskFailure | null = null
  #bodiless = false

  constructor(options: ExchangeOptions, resolve: (outcome: FetchOutcome) => void) {
    this.#request = options.request
    this.#settings = options.settings
    this.#pools = options.pools
    this.#group = options.group
    this.#memory = options.memory
    this.#resolve = resolve
  }

  start(): void {
    this.#group.add(this)
    let url: URL
    try {
      url = this.#prepare()
    } catch (error) {
      this.#settle(asFailure(error), null)
      return
    }
    if (this.#settings.timeoutMs !== null) this.#arm(this.#settings.timeoutMs)
    this.#send(url)
  }

  abort(): void {
    this.#end(new TaskFailure('CONNECTION_RESET', 'the request was aborted', false))
  }

  onAnswer(status: number, headers: AnswerHeaders): BodyLimits | TaskFailure {
    this.#status = status
    this.#contentType = headers.contentType
    this.#retryAfterMs = parseRetryAfter(headers.retryAfter, Date.now())
    this.#bodiless = this.#method === 'HEAD' || BODILESS.has(status)
    if (this.#redirectsTo(status, headers.location)) {
      return { codings: [], maxBytes: MAX_REDIRECT_BODY_BYTES, keepBytes: null, fileStem: null, memory: this.#memory }
    }
    if (!this.#isOk(status)) {
      const isFarOff = (this.#retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS
      const message = `answered with status ${status}${isFarOff ? ', with a Retry-After of more than an hour' : ''}`
      this.#verdict ??= new TaskFailure('HTTP_STATUS', message, isRetryableStatus(status))
    }
    return this.#bodyLimits(headers)
  }

  onEnd(): void {
    if (this.#next !== null) this.#follow(this.#next)
    else if (this.#verdict !== null) this.#settle(this.#verdict, null)
    else this.#succeed()
  }

  onFailure(failure: TaskFailure): void {
    if (this.#isToSendAgain(failure)) this.#send(this.#url as URL, { fresh: true })
    // A length that is told of a body that cannot be: undici waits for it in vain.
    else if (this.#bodiless && failure.code === 'BODY_TRUNCATED') this.onEnd()
    else if (this.#next !== null) this.#follow(this.#next)
    else this.#settle(this.#verdict ?? failure, null)
  }

  /** Throws what is wrong with the request. */
  #prepare(): URL {
    const { url: text, method, headers, body } = this.#request
    const url = parseUrl(text, undefined, 'INVALID_INPUT')
    this.#url = url
    this.#host = url.host
    this.#method = method.toUpperCase()
    this.#headers = requestHeaders(this.#settings.options, headers)
    this.#body = body
    this.#takeCredentials(url)
    if (this.#method === 'CONNECT') throw new TaskFailure('INVALID_INPUT', 'the method CONNECT cannot be fetched')
    return url
  }

  #send(url: URL, { fresh = false } = {}): void {
    const request: Dispatcher.DispatchOptions = {
      path: url.pathname + url.search,
      method: this.#method as Dispatcher.HttpMethod,
      headers: this.#headers as string[],
      body: this.#body,
    }
    try {
      const pool = this.#pools.of(url.origin, this.#startedMs)
      this.#hop = new Hop({ pool, phases: this.#phases, request }, this)
      this.#hop.start({ fresh })
    } catch (error) {
      this.#settle(asFailure(error), null)
    }
  }

  /**
   * Some origins end the connection with each redirect and do not say so: the next step is then on its way on a connection that is
   * gone. Safe ones are sent again, on a new one. Of the first request it is the run that tries again, and counts it.
   */
  #isToSendAgain({ code }: TaskFailure): boolean {
    const isStep = this.#redirects > 0 && this.#status === null
    return isStep && code === 'CONNECTION_RESET' && this.#hop?.wasTooLate === true && isSafeMethod(this.#method)
  }

  /** Whether the answer is a redirect that is followed; a faulty one becomes the verdict. */
  #redirectsTo(status: number, location: string | null): boolean {
    const { okStatuses, maxRedirects } = this.#settings.options
    // Who counts a redirect as success wants to see it, not where it leads.
    if (!REDIRECTS.has(status) || location === null || okStatuses?.includes(status)) return false
    if (this.#redirects >= maxRedirects) {
      this.#verdict = new TaskFailure('TOO_MANY_REDIRECTS', `more than ${maxRedirects} redirects`)
      return false
    }
    try {
      this.#next = parseUrl(location, this.#url ?? undefined, 'DESTINATION_FORBIDDEN')
      return true
    } catch (error) {
      const { code, message } = error as TaskFailure
      this.#verdict = new TaskFailure(code, `redirected: ${message}`)
      return false
    }
  }

  #isOk(status: number): boolean {
    const { okStatuses } = this.#settings.options
    return okStatuses === null ? status >= 200 && status <= 299 : okStatuses.includes(status)
  }

  #bodyLimits(headers: AnswerHeaders): BodyLimits | TaskFailure {
    const { bodyPolicy, maxBytes } = this.#settings.options
    let codings: readonly Coding[] = []
    try {
      if (!this.#bodiless) codings = parseContentEncoding(headers.contentEncoding)
    } catch (failure) {
      return failure as TaskFailure
    }
    if (!this.#bodiless && codings.length === 0 && (headers.contentLength ?? 0) > maxBytes) return tooLarge(maxBytes)
    const isWanted = this.#verdict === null
    const isOutput = bodyPolicy === 'JSON' || bodyPolicy === 'TEXT'
    return {
      codings,
      maxBytes,
      keepBytes: isWanted && isOutput ? maxKeptBytes(this.#settings.maxOutputBytes) : null,
      // What cannot have a body has no file either.
      fileStem: isWanted && !this.#bodiless ? this.#settings.fileStem : null,
      memory: this.#memory,
    }
  }

  #follow(next: URL): void {
    const from = this.#url as URL
    if (becomesGet(this.#status, this.#method)) {
      this.#method = 'GET'
      this.#body = null
      this.#headers = withoutBodyHeaders(this.#headers)
    }
    if (next.origin !== from.origin) this.#headers = withoutOriginHeaders(this.#headers)
    next.username = ''
    next.password = ''
    this.#redirects += 1
    this.#url = next
    this.#next = null
    this.#status = null
    this.#contentType = null
    this.#retryAfterMs = null
    this.#send(next)
  }

  #succeed(): void {
    const { bodyPolicy } = this.#settings.options
    if (bodyPolicy === 'DISCARD' || bodyPolicy === 'STORE' || this.#bodiless) {
      this.#settle(null, emptyOutput(bodyPolicy))
      return
    }
    try {
      const body = this.#hop?.body?.content() ?? Buffer.alloc(0)
      const maxBytes = this.#settings.maxOutputBytes
      this.#settle(null, toOutput(body, { policy: bodyPolicy, contentType: this.#contentType, maxBytes }))
    } catch (error) {
      this.#settle(asFailure(error), null)
    }
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(expire, delayMs, this)
  }

  /** The timer counts from the turn of the event loop in which it was set, which may have begun long before. */
  expire(): void {
    const timeoutMs = this.#settings.timeoutMs ?? 0
    const leftMs = this.#startedMs + timeoutMs - performance.now()
    if (leftMs >= 1) this.#arm(leftMs)
    else this.#end(this.#verdict ?? new TaskFailure('TIMEOUT', `not done within ${timeoutMs} ms`))
  }

  #end(failure: TaskFailure): void {
    if (this.#settled) return
    this.#hop?.stop()
    this.#settle(failure, null)
  }

  #settle(failure: TaskFailure | null, output: string | null): void {
    if (this.#settled) return
    this.#settled = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#group.delete(this)
    this.#resolve({
      error: failure && { code: failure.code, message: failure.message, retryable: failure.retryable },
      retryAfterMs: this.#retryAfterMs,
      output,
      detail: this.#detail(),
    })
  }

  #detail(): FetchOutcome['detail'] {
    const phases = this.#phases
    const body = this.#status === null ? null : (this.#hop?.body ?? null)
    return {
      url: this.#request.url,
      finalUrl: this.#url?.href ?? this.#request.url,
      host: this.#host,
      status: this.#status,
      bytes: body?.bytes ?? 0,
      sha256: body?.whole && !this.#bodiless ? body.sha256() : null,
      contentType: this.#contentType,
      redirects: this.#redirects,
      dnsMs: phases.dnsMs,
      connectMs: phases.connectMs,
      tlsMs: phases.tlsMs,
      firstByteMs: phases.firstByteMs,
      downloadMs: phases.downloadMs,
      reusedConnection: phases.reusedConnection,
    }
  }

  /** A user and a password in the URL are sent as curl does it, and then forgotten. */
  #takeCredentials(url: URL): void {
    if (url.username === '' && url.password === '') return
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    url.username = ''
    url.password = ''
    if (hasHeader(this.#headers, 'authorization')) return
    this.#headers = [...this.#headers, 'authorization', `Basic ${Buffer.from(pair).toString('base64')}`]
  }
}

function expire(exchange: Exchange): void {
  exchange.expire()
}

/** What browsers do, whatever the standard once meant. */
function becomesGet(status: number | null, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD'
  return (status === 301 || status === 302) && method === 'POST'
}

function asFailure(error: unknown): TaskFailure {
  if (error instanceof TaskFailure) return error
  return new TaskFailure('INVALID_INPUT', `the request is not valid: ${(error as Error).message}`)
}

/** Throws TaskFailure; `otherScheme`: what it is where something but a web server is meant. */
function parseUrl(text: string, base: URL | undefined, otherScheme: TaskErrorCode): URL {
  let url: URL
  try {
    url = new URL(text, base)
  } catch {
    throw new TaskFailure('INVALID_INPUT', 'the URL cannot be parsed')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TaskFailure(otherScheme, 'the scheme of the URL is neither http: nor https:')
  }
  return url
}
