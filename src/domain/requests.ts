/** What a request must be to be sent: the same for requests of a list, for those of a file, and for headers of a batch. */

import type { FetchRequest, Header } from './batch.js'
import type { Path, Problems } from './problems.js'
import { maskUrl } from './secrets.js'

/** RFC 9110: what a method and a header name are made of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Bytes alone: what is past U+00FF cannot be sent. */
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/
/** Headers that the connection owns. */
const FRAMING = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'te',
  'trailer',
])
/** Methods that undici or HTTP itself keep for other uses. */
const TUNNELS = new Set(['CONNECT', 'TRACE'])

/** Methods that change nothing where they go (RFC 9110), of those that a request may have. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method.toUpperCase())
}

/** A request as a client wrote it. */
export interface RequestInput {
  url: string
  method?: string | null | undefined
  headers?: Header[] | null | undefined
  body?: string | null | undefined
}

/** Shows a value in a message: whole where it is short. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

export function checkUrl(problems: Problems, value: string, path: Path): void {
  // A message goes to whoever reads the run, and a user name and password do not.
  const url = shown(maskUrl(value))
  if (!URL.canParse(value)) {
    problems.add('INVALID', path, `${url} is not an absolute URL`)
    return
  }
  const { protocol, username, password } = new URL(value)
  if (!isEncoded(username + password))
    problems.add('INVALID', path, `${url} is not a URL whose user name and password can be decoded`)
  if (protocol === 'http:' || protocol === 'https:') return
  problems.add('UNSUPPORTED_SCHEME', path, `${url} has the scheme ${protocol} where http: or https: is expected`)
}

/** Whether each % begins the code of a byte, and the bytes are UTF-8. */
function isEncoded(text: string): boolean {
  if (!text.includes('%')) return true
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

export function checkHeaders(problems: Problems, headers: readonly Header[] | null | undefined, path: Path): Header[] {
  const host = headers?.findIndex(({ name }) => name.toLowerCase() === 'host') ?? -1
  headers?.forEach(({ name, value }, at) => {
    const namePath = [...path, at, 'name']
    if (at > host && host >= 0 && name.toLowerCase() === 'host')
      problems.add('INVALID', namePath, `the header ${shown(name)} is there twice`)
    if (!TOKEN.test(name)) problems.add('INVALID', namePath, `${shown(name)} is not the name of an HTTP header`)
    else if (FRAMING.has(name.toLowerCase()))
      problems.add('INVALID', namePath, `${shown(name)} is not a header that a request may set`)
    if (!HEADER_VALUE.test(value))
      problems.add('INVALID', [...path, at, 'value'], `${shown(value)} is not the value of an HTTP header`)
  })
  return headers?.map(({ name, value }) => ({ name, value })) ?? []
}

/** The request with its defaults filled in; what is wrong with it is added to the problems. */
export function checkRequest(problems: Problems, request: RequestInput, path: Path): FetchRequest {
  checkUrl(problems, request.url, [...path, 'url'])
  const method = request.method ?? 'GET'
  if (!TOKEN.test(method) || TUNNELS.has(method.toUpperCase()))
    problems.add('INVALID', [...path, 'method'], `${shown(method)} is not a method that a request may have`)
  const body = request.body ?? null
  if (body !== null && /^(get|head)$/i.test(method))
    problems.add('INVALID', [...path, 'body'], `a ${method.toUpperCase()} request has no body`)
  return {
    url: request.url,
    method: method.toUpperCase(),
    headers: checkHeaders(problems, request.headers, [...path, 'headers']),
    body,
  }
}
