/** Documents that are kept parsed and validated, as most clients send the same ones again and again. */

import type { DocumentNode } from 'graphql'
import { LRUCache } from 'lru-cache'

/** Of all of them: some are two hundred times as large when they are parsed. */
export const MAX_CACHED_CHARACTERS = 262_144
const MAX_DOCUMENT_CHARACTERS = 16_384

/** By the document's text. Bounded by size: by number, as Yoga's own is, a thousand long documents would fill the memory. */
export function createDocumentCache(): LRUCache<string, DocumentNode> {
  return new LRUCache({
    maxSize: MAX_CACHED_CHARACTERS,
    maxEntrySize: MAX_DOCUMENT_CHARACTERS,
    sizeCalculation: (_document, source) => source.length,
  })
}

/** For what could not be parsed: who sends that again may wait for it to be read again. */
export const NO_CACHE = { get: () => undefined, set: () => undefined }
