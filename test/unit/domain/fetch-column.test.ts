import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesAt, FetchColumnBuilder, fetchAt } from '../../../src/domain/fetch-column.js'
import type { FetchDetail } from '../../../src/domain/task.js'

const time = fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }))
const text = fc.string({ minLength: 1, unit: 'grapheme' })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))

const detail: fc.Arbitrary<FetchDetail> = fc
  .record({
    url: text,
    elsewhere: fc.option(text),
    host: text,
    status: fc.option(fc.integer({ min: 100, max: 599 })),
    bytes: fc.nat(),
    sha256: fc.option(hash),
    contentType: fc.option(text),
    redirects: fc.nat(20),
    dnsMs: time,
    connectMs: time,
    tlsMs: time,
    firstByteMs: time,
    downloadMs: time,
    reusedConnection: fc.option(fc.boolean()),
  })
  .map(({ elsewhere, ...rest }) => ({ ...rest, finalUrl: elsewhere ?? rest.url }))

describe('FetchColumnBuilder', () => {
  it('gives every detail back as it was, over a structured clone, and starts anew', () => {
    const lists = fc.array(fc.option(detail), { maxLength: 200 })
    fc.assert(
      fc.property(fc.array(lists, { minLength: 1, maxLength: 3 }), (rounds) => {
        const builder = new FetchColumnBuilder()
        for (const details of rounds) {
          for (const one of details) builder.add(one)
          const column = structuredClone(builder.take())
          expect(details.map((_, at) => fetchAt(column, at))).toEqual(details)
          expect(details.map((_, at) => bytesAt(column, at))).toEqual(details.map((one) => one?.bytes ?? 0))
        }
      }),
    )
  })

  it('knows of nothing where there is no column', () => {
    expect(fetchAt(null, 3)).toBeNull()
    expect(bytesAt(null, 3)).toBe(0)
  })
})
