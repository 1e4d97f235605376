/** Sources whose items follow from the index: counted by looking at the source, and not at its items. */

import { type CompactSource, compactInput, type Header } from '../domain/batch.js'
import { type HostCount, MAX_NAMED_HOSTS } from '../domain/plan.js'
import { RequestKeys, urlOf } from '../domain/request-key.js'

export interface CompactCount {
  duplicates: number
  hosts: HostCount[]
  hostCount: number
}

const PLACE = '{i}'
/** In the place of the number: no host has it. */
const MARK = '#'
/** From the scheme to where the path begins, however many slashes and backslashes there are between. */
const AUTHORITY = /^\s*[a-z][a-z0-9+.-]*:[\\/]*([^\\/?#]*)/i

/** Null where the items have to be looked at: what becomes of the number depends on the number. */
export function countCompact(source: CompactSource, headers: readonly Header[]): CompactCount | null {
  // Numbers are equal to themselves alone.
  if (source.kind === 'range') return { duplicates: 0, hosts: [], hostCount: 0 }
  const host = hostOf(source.template)
  if (!host.includes(PLACE)) return countOneHost(source, headers)
  return isPlain(host) ? countManyHosts(source) : null
}

/** What parsers of URLs take for the host and the port. */
function hostOf(template: string): string {
  // They pass over tabs and line breaks, wherever these are.
  const authority = AUTHORITY.exec(template.replace(/[\t\n\r]/g, ''))?.[1] ?? ''
  return authority.slice(authority.lastIndexOf('@') + 1)
}

/** What is left of the number in one URL is left of it in every other: two of them tell whether all are the same request. */
function countOneHost(source: CompactSource, headers: readonly Header[]): CompactCount | null {
  const keys = new RequestKeys(headers)
  const urls = [0, Math.min(1, source.count - 1)].map((index) => urlAt(source, index))
  const [first, second] = urls
  if (!first || !second) return null
  const areSame = keys.keyOf({ url: '' }, first) === keys.keyOf({ url: '' }, second)
  const hosts = [{ host: first.host, items: source.count }]
  return { duplicates: areSame ? source.count - 1 : 0, hosts, hostCount: 1 }
}

/** Each number makes another host, so that no two requests are the same. */
function countManyHosts(source: CompactSource): CompactCount | null {
  const { count } = source
  if (urlAt(source, 0) === null || urlAt(source, count - 1) === null) return null
  const named = Array.from({ length: Math.min(count, MAX_NAMED_HOSTS) }, (_, index) => ({
    host: urlAt(source, index)?.host ?? '',
    items: 1,
  }))
  return { duplicates: 0, hosts: named, hostCount: count }
}

function urlAt(source: CompactSource, index: number): URL | null {
  return urlOf({ url: String(compactInput(source, index)) })
}

/**
 * Whether different numbers make different hosts. Not so where the number may be a part of something that is decoded (%, the
 * names of xn--), of a port, which may be the scheme's own, or of a number that is not written in tens.
 */
function isPlain(host: string): boolean {
  const name = host.replace(/:\d*$/, '').replaceAll(PLACE, MARK).toLowerCase()
  return name.split('.').every((label) => {
    const isText = /^[a-z0-9_#-]*$/.test(label) && !label.startsWith('xn-')
    const isOtherNumber = /^0[0-9a-fx#]+$/.test(label) || /^#[0-9a-fx#]+$/.test(label)
    return isText && !isOtherNumber
  })
}
