/** Secrets that a batch carries: kept to run it, not shown, and not sent to another origin than the one that they are for. */

import type { Header, Json } from './batch.js'

const MASK = '***'
const SECRET_NAME = /auth|cookie|token|secret|key|passw|pwd|session|jwt|bearer|credential|signature/i
/** The scheme, and what stands before the last @ of the authority. */
const USERINFO = /^(\s*[a-z][a-z0-9+.-]*:[/\\]{2})[^/?#\\]*@/i
/** Of what is no URL: with any number of slashes. */
const LIKELY_USERINFO = /^(\s*[a-z][a-z0-9+.-]*:[/\\]*)[^/?#\\]*@/i
/** In the place of a user name, to be replaced. */
const USER = 'heddle-masks-this-user'

/** Whether a header's name says that its value is a secret. */
export function isSecretHeader(name: string): boolean {
  return SECRET_NAME.test(name)
}

/** The headers, with the values of those whose name says that it is a secret left out. */
export function maskHeaders(headers: readonly Header[]): Header[] {
  return headers.map(({ name, value }) => ({ name, value: isSecretHeader(name) ? MASK : value }))
}

/** The URL with its user name and password masked. */
export function maskUrl(url: string): string {
  if (!url.includes('@')) return url
  const masked = url.replace(USERINFO, `$1${MASK}@`)
  if (masked !== url) return masked
  if (!URL.canParse(url)) return url.replace(LIKELY_USERINFO, `$1${MASK}@`)
  return hasUserinfo(url) ? maskParsed(new URL(url)) : url
}

/** Also where it is written as nobody writes it: parsers forgive missing and surplus slashes, tabs and line breaks. */
function hasUserinfo(url: string): boolean {
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

function maskParsed(url: URL): string {
  url.username = USER
  url.password = ''
  return url.href.replace(USER, MASK)
}

/** The input of a fetch, a URL or a request, without its secrets. */
export function maskFetchInput(input: Json): Json {
  if (typeof input === 'string') return maskUrl(input)
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const masked: { [key: string]: Json } = { ...input }
  if (typeof masked.url === 'string') masked.url = maskUrl(masked.url)
  if (Array.isArray(masked.headers)) {
    masked.headers = maskHeaders(masked.headers as unknown as Header[]) as unknown as Json
  }
  return masked
}
