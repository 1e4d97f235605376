/** Headers in layers: what a request is sent with comes from the product, the batch and the request itself. */

import type { Header } from './batch.js'

/** Sent with every request that does not say otherwise; a user-agent goes with them. */
export const DEFAULT_HEADERS: readonly Header[] = [
  { name: 'accept', value: '*/*' },
  { name: 'accept-encoding', value: 'gzip, deflate, br' },
]

/** By name in lower case, each list with the headers of that name. A later layer replaces all of its names. */
export function mergeHeaders(layers: readonly (readonly Header[])[]): Map<string, Header[]> {
  const merged = new Map<string, Header[]>()
  for (const layer of layers) {
    const fresh = new Map<string, Header[]>()
    for (const header of layer) {
      const key = header.name.toLowerCase()
      const list = fresh.get(key)
      if (list) list.push(header)
      else fresh.set(key, [header])
    }
    for (const [key, list] of fresh) merged.set(key, list)
  }
  return merged
}
