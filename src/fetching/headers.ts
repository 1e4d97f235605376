/** Headers: what is sent, what a redirect takes off, and what is read of an answer. */

import { readFileSync } from 'node:fs'
import type { FetchOptions, Header } from '../domain/batch.js'
import { DEFAULT_HEADERS, mergeHeaders } from '../domain/headers.js'
import { isSecretHeader } from '../domain/secrets.js'

/** Names and values in turn, as undici takes them. */
export type HeaderList = readonly string[]

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const DEFAULTS: readonly Header[] = [...DEFAULT_HEADERS, { name: 'user-agent', value: `heddle/${version}` }]

/** Of a job's requests most have no headers of their own: they share one list. */
const shared = new WeakMap<FetchOptions, HeaderList>()

/** The job's headers replace the defaults of the same name, and the request's replace both. */
export function requestHeaders(options: FetchOptions, own: readonly Header[]): HeaderList {
  if (own.length > 0) return merge([DEFAULTS, options.headers, own])
  let list = shared.get(options)
  if (list === undefined) {
    list = merge([DEFAULTS, options.headers])
    shared.set(options, list)
  }
  return list
}

function merge(layers: readonly (readonly Header[])[]): HeaderList {
  return [...mergeHeaders(layers).values()].flat().flatMap(({ name, value }) => [name, value])
}

const OF_THE_BODY = /^content-/

/** Without what is for one origin and must not reach another: its name, and secrets. */
export function withoutOriginHeaders(headers: HeaderList): HeaderList {
  return without(headers, (name) => name === 'host' || isSecretHeader(name))
}

export function withoutBodyHeaders(headers: HeaderList): HeaderList {
  return without(headers, (name) => OF_THE_BODY.test(name))
}

export function hasHeader(headers: HeaderList, wanted: string): boolean {
  return headers.some((name, place) => place % 2 === 0 && name.toLowerCase() === wanted)
}

function without(headers: HeaderList, drops: (name: string) => boolean): HeaderList {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!drops(name.toLowerCase())) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

/** What matters of an answer's headers; null for what it does not have. */
export interface AnswerHeaders {
  location: string | null
  retryAfter: string | null
  contentType: string | null
  contentLength: number | null
  contentEncoding: string | null
}

/** `raw`: names and values in turn. Most are told apart by their length alone. */
export function readAnswerHeaders(raw: readonly Buffer[]): AnswerHeaders {
  const read: AnswerHeaders = {
    location: null,
    retryAfter: null,
    contentType: null,
    contentLength: null,
    contentEncoding: null,
  }
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as Buffer
    const value = raw[at + 1] as Buffer
    switch (name.length) {
      case 8:
        // Not latin1: what browsers take for a URL is UTF-8.
        if (isNamed(name, 'location')) read.location ??= value.toString('utf8')
        break
      case 11:
        if (isNamed(name, 'retry-after')) read.retryAfter ??= value.toString('latin1')
        break
      case 12:
        if (isNamed(name, 'content-type')) read.contentType ??= value.toString('latin1')
        break
      case 14:
        if (isNamed(name, 'content-length')) read.contentLength = Number(value.toString('latin1'))
        break
      case 16:
        if (isNamed(name, 'content-encoding')) read.contentEncoding = joined(read.contentEncoding, value)
        break
    }
  }
  return read
}

function isNamed(name: Buffer, wanted: string): boolean {
  return name.toString('latin1').toLowerCase() === wanted
}

function joined(before: string | null, value: Buffer): string {
  const text = value.toString('latin1')
  return before === null ? text : `${before},${text}`
}

const SECONDS = /^\d+$/
const WEEKDAY = /^(mon|tue|wed|thu|fri|sat|sun)/i

/** Milliseconds from now of a Retry-After header, which has seconds or a date; null for anything else. */
export function parseRetryAfter(header: string | null, nowMs: number): number | null {
  if (header === null) return null
  const text = header.trim()
  if (SECONDS.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER)
  if (!WEEKDAY.test(text)) return null
  // The oldest of the three forms of a date has no zone; all of them mean GMT.
  const timeMs = Date.parse(/GMT$/i.test(text) ? text : `${text} GMT`)
  return Number.isNaN(timeMs) ? null : Math.max(0, timeMs - nowMs)
}
