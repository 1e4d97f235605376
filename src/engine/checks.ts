/** Checks that every launch shares: each adds its problems at the place of the value and answers with the checked value. */

import type { FetchOptions, FetchRequest, Header, Label, RetryPolicy } from '../domain/batch.js'
import type { Path, Problems } from '../domain/problems.js'
import type { FetchOptionsInput, LaunchOptionsInput } from './engine.js'
import { MAX_BACKOFF_MS, MAX_INT, MAX_LABELS, MAX_NAME_LENGTH, MAX_TIMEOUT_MS } from './limits.js'

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

/** Shows a value in a message: whole where it is short. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
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

/** Characters are code points here: an emoji is one or some, whatever it takes in UTF-16. */
function isLonger(text: string, maxLength: number): boolean {
  return text.length > maxLength && (text.length > 2 * maxLength || [...text].length > maxLength)
}

export class Checker {
  constructor(readonly problems: Problems) {}

  invalid(path: Path, value: unknown, expected: string): void {
    this.problems.add('INVALID', path, `${shown(value)} is not ${expected}`)
  }

  whole(value: number | null | undefined, path: Path, [min, max]: readonly [number, number]): number | null {
    if (value === null || value === undefined) return null
    if (!Number.isInteger(value) || value < min || value > max) {
      this.invalid(path, value, `a whole number from ${min} to ${max}`)
    }
    return value
  }

  text(value: string | null | undefined, path: Path, maxLength: number = MAX_NAME_LENGTH): string | null {
    if (value === null || value === undefined) return null
    if (value === '' || isLonger(value, maxLength)) this.invalid(path, value, `a text of 1 to ${maxLength} characters`)
    return value
  }

  url(value: string, path: Path): void {
    if (!URL.canParse(value)) {
      this.invalid(path, value, 'an absolute URL')
      return
    }
    const { protocol, username, password } = new URL(value)
    if (!isEncoded(username + password)) this.invalid(path, value, 'a URL whose user name and password can be decoded')
    if (protocol === 'http:' || protocol === 'https:') return
    this.problems.add(
      'UNSUPPORTED_SCHEME',
      path,
      `${shown(value)} has the scheme ${protocol} where http: or https: is expected`,
    )
  }

  headers(headers: readonly Header[] | null | undefined, path: Path): Header[] {
    const host = headers?.findIndex(({ name }) => name.toLowerCase() === 'host') ?? -1
    headers?.forEach(({ name, value }, at) => {
      if (at > host && host >= 0 && name.toLowerCase() === 'host') {
        this.problems.add('INVALID', [...path, at, 'name'], `the header ${shown(name)} is there twice`)
      }
      if (!TOKEN.test(name)) this.invalid([...path, at, 'name'], name, 'the name of an HTTP header')
      else if (FRAMING.has(name.toLowerCase()))
        this.invalid([...path, at, 'name'], name, 'a header that a request may set')
      if (!HEADER_VALUE.test(value)) this.invalid([...path, at, 'value'], value, 'the value of an HTTP header')
    })
    return headers?.map(({ name, value }) => ({ name, value })) ?? []
  }

  labels(labels: readonly Label[] | null | undefined, path: Path): Label[] {
    if (!labels) return []
    if (labels.length > MAX_LABELS)
      this.problems.add('INVALID', path, `${labels.length} labels are more than ${MAX_LABELS}`)
    const seen = new Set<string>()
    labels.forEach(({ name, value }, at) => {
      this.text(name, [...path, at, 'name'])
      if (isLonger(value, MAX_NAME_LENGTH))
        this.invalid([...path, at, 'value'], value, `at most ${MAX_NAME_LENGTH} characters`)
      if (seen.has(name)) this.problems.add('INVALID', [...path, at, 'name'], `the label ${shown(name)} is there twice`)
      seen.add(name)
    })
    return labels.map(({ name, value }) => ({ name, value }))
  }

  retry(retry: LaunchOptionsInput['retry'], path: Path): RetryPolicy {
    return {
      maxAttempts: this.whole(retry?.maxAttempts, [...path, 'maxAttempts'], [1, 100]) ?? 3,
      backoffMs: this.whole(retry?.backoffMs, [...path, 'backoffMs'], [0, MAX_BACKOFF_MS]) ?? 200,
      maxBackoffMs: this.whole(retry?.maxBackoffMs, [...path, 'maxBackoffMs'], [0, MAX_BACKOFF_MS]) ?? 10_000,
      unsafe: retry?.unsafe ?? false,
    }
  }

  timeoutMs(value: number | null | undefined, path: Path): number | null {
    return this.whole(value, path, [1, MAX_TIMEOUT_MS])
  }

  fetchOptions(fetch: FetchOptionsInput | null | undefined, path: Path): FetchOptions {
    fetch?.okStatuses?.forEach((status, at) => {
      this.whole(status, [...path, 'okStatuses', at], [100, 599])
    })
    if (fetch?.okStatuses?.length === 0) this.invalid([...path, 'okStatuses'], [], 'a list of at least one status')
    return {
      bodyPolicy: fetch?.bodyPolicy ?? 'DISCARD',
      maxBytes: this.whole(fetch?.maxBytes, [...path, 'maxBytes'], [1, MAX_INT]) ?? 10_485_760,
      maxRedirects: this.whole(fetch?.maxRedirects, [...path, 'maxRedirects'], [0, 100]) ?? 5,
      headers: this.headers(fetch?.headers, [...path, 'headers']),
      okStatuses: fetch?.okStatuses ?? null,
    }
  }

  request(request: RequestInput, path: Path): FetchRequest {
    this.url(request.url, [...path, 'url'])
    const method = request.method ?? 'GET'
    if (!TOKEN.test(method) || TUNNELS.has(method.toUpperCase())) {
      this.invalid([...path, 'method'], method, 'a method that a request may have')
    }
    const body = request.body ?? null
    if (body !== null && /^(get|head)$/i.test(method)) {
      this.problems.add('INVALID', [...path, 'body'], `a ${method.toUpperCase()} request has no body`)
    }
    return {
      url: request.url,
      method: method.toUpperCase(),
      headers: this.headers(request.headers, [...path, 'headers']),
      body,
    }
  }
}

export interface RequestInput {
  url: string
  method?: string | null | undefined
  headers?: Header[] | null | undefined
  body?: string | null | undefined
}
