import { parse } from 'graphql'
import { expect, it } from 'vitest'
import { createDocumentCache, MAX_CACHED_CHARACTERS } from '../../../src/http/document-cache.js'

const ofLength = (length: number, name: number) => `{ a${name} }`.padEnd(length)

it('keeps documents by how long they are together, the last ones', () => {
  const cache = createDocumentCache()
  for (let name = 0; name < 1_000; name += 1) {
    const source = ofLength(5_000, name)
    cache.set(source, parse(source))
  }
  expect(cache.calculatedSize).toBeLessThanOrEqual(MAX_CACHED_CHARACTERS)
  expect(cache.get(ofLength(5_000, 999))).toBeDefined()
  expect(cache.get(ofLength(5_000, 0))).toBeUndefined()
})

it('keeps none that would push out all others', () => {
  const cache = createDocumentCache()
  const [short, long] = [ofLength(100, 1), ofLength(200_000, 2)]
  cache.set(short, parse(short))
  cache.set(long, parse(long))
  expect([cache.has(short), cache.has(long)]).toEqual([true, false])
})
