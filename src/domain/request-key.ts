/** What makes two requests the same one, and where they go. */

import { type CompactSource, compactInput, type FetchRequest, type Header, isUnsendable, type Source } from './batch.js'
import { DEFAULT_HEADERS, mergeHeaders } from './headers.js'

/** A request without what a list may leave out of it. */
export type RequestLike = Pick<FetchRequest, 'url'> & Partial<FetchRequest>

/** Keys of the requests of one batch: equal where method, URL without its fragment, headers as they are sent and body are. */
export class RequestKeys {
  readonly #batch: readonly Header[]
  /** Of requests without headers of their own: most of them. */
  readonly #plain: string

  constructor(batch: readonly Header[]) {
    this.#batch = batch
    this.#plain = this.#headersText([])
  }

  /** `url`: the request's own, parsed. */
  keyOf(request: RequestLike, url: URL): string {
    const { method = 'GET', headers = [], body = null } = request
    const sent = headers.length === 0 ? this.#plain : this.#headersText(headers)
    // The body is last: nothing before it can hold a line break of its own.
    const end = body === null ? '' : `\n\n${body}`
    return `${method.toUpperCase()} ${withoutFragment(url.href)}\n${sent}${end}`
  }

  /** The order of the values of one name is theirs, that of the names is nobody's. */
  #headersText(own: readonly Header[]): string {
    const merged = [...mergeHeaders([DEFAULT_HEADERS, this.#batch, own])]
    merged.sort(([a], [b]) => (a < b ? -1 : 1))
    return merged.flatMap(([name, list]) => list.map(({ value }) => `${name}:${value}`)).join('\n')
  }
}

function withoutFragment(href: string): string {
  const at = href.indexOf('#')
  return at < 0 ? href : href.slice(0, at)
}

/** The URL that a request names; null where it cannot be parsed, or is not to be sent: it fails by itself. */
export function urlOf(request: RequestLike): URL | null {
  return !isUnsendable(request) && URL.canParse(request.url) ? new URL(request.url) : null
}

/** From the scheme to where the path begins, however many slashes and backslashes there are between. */
const AUTHORITY = /^\s*[a-z][a-z0-9+.-]*:[\\/]*([^\\/?#]*)/i
const PLACE = '{i}'

/** The host that all items of a source go to; null where they may go to several. */
export function commonHost(source: Source): string | null {
  if (source.kind !== 'template') return null
  // Parsers of URLs pass over tabs and line breaks, wherever they are.
  const authority = AUTHORITY.exec(source.template.replace(/[\t\n\r]/g, ''))?.[1]
  if (authority === undefined || authority.includes(PLACE)) return null
  return urlOf({ url: String(compactInput(source, 0)) })?.host ?? null
}

/** Whether no two URLs of a template are the same request: a number in a query or a plain path makes each one another. */
export function areAllDifferent({ template }: Extract<CompactSource, { kind: 'template' }>): boolean {
  const authority = AUTHORITY.exec(template)
  if (!authority) return false
  const [rest = ''] = template.slice(authority[0].length).split('#', 1)
  const query = rest.indexOf('?')
  const path = query < 0 ? rest : rest.slice(0, query)
  if (query >= 0 && rest.slice(query).includes(PLACE)) return true
  if (!path.includes(PLACE)) return false
  // A step back would take the number out of the path again; of controls and spaces parsers take some away.
  return !path
    .replace(/[^\u0021-\uffff]/g, '')
    .split(/[\\/]/)
    .some((step) => /^(\.|%2e){2}$/i.test(step))
}
