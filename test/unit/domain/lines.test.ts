import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { itemLines, LineIndexer, type LineTable, stretchOf } from '../../../src/domain/lines.js'

const NO_LIMIT = { maxCount: 1e9 }

function tableOf(bytes: Uint8Array, cuts: readonly number[] = [], options = NO_LIMIT): LineTable {
  const indexer = new LineIndexer(options)
  let from = 0
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    indexer.push(bytes.subarray(from, cut))
    from = cut
  }
  return indexer.finish()
}

/** Each stretch of the table, with its lines as they are read back. */
function stretches({ stretches: table, count }: LineTable, bytes: Uint8Array) {
  const found = new Map<number, { first: number; start: number; end: number; lines: string[] }>()
  for (let index = 0; index < count; index += 1) {
    const { first, start, end } = stretchOf(table, index)
    if (found.has(first)) continue
    const piece = bytes.subarray(start, end)
    const bounds = itemLines(piece)
    const lines = Array.from({ length: bounds.length / 2 }, (_, at) =>
      Buffer.from(piece.subarray(bounds[2 * at], bounds[2 * at + 1])).toString('latin1'),
    )
    found.set(first, { first, start, end, lines })
  }
  return [...found.values()]
}

function linesOf(bytes: Uint8Array, cuts: readonly number[] = []): string[] {
  const table = tableOf(bytes, cuts)
  const lines = stretches(table, bytes).flatMap((stretch) => stretch.lines)
  expect(lines).toHaveLength(table.count)
  return lines
}

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** What the lines are, said as simply as can be. */
function naiveLines(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString('latin1')
  return text
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => /[^ \t]/.test(line))
}

describe('the lines of a file', () => {
  it.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['blank lines alone', '\n \n\t\r\n\r\n  ', []],
    ['a last line without an end', 'a\nb', ['a', 'b']],
    ['a last line with one', 'a\nb\n', ['a', 'b']],
    ['CRLF', 'a\r\n\r\nb\r\n', ['a', 'b']],
    ['a lone CR', 'a\rb\n\r\r\n', ['a\rb', '\r']],
    ['spaces around', '  a \n\n', ['  a ']],
    ['a byte-order mark', '\xef\xbb\xbfa\nb', ['a', 'b']],
    ['a byte-order mark alone', '\xef\xbb\xbf', []],
    ['a byte-order mark before a blank line', '\xef\xbb\xbf\r\na', ['a']],
    ['a mark that is none', '\xef\xbb\na', ['\xef\xbb', 'a']],
    ['the beginning of a mark alone', '\xef', ['\xef']],
    ['a mark in the middle', 'a\n\xef\xbb\xbfb', ['a', '\xef\xbb\xbfb']],
    ['NUL', '\0\n\0a', ['\0', '\0a']],
  ])('are told: %s', (_what, text, lines) => {
    const bytes = latin1(text)
    expect(linesOf(bytes)).toEqual(lines)
    for (let cut = 1; cut < bytes.length; cut += 1) expect(linesOf(bytes, [cut])).toEqual(lines)
    expect(
      linesOf(
        bytes,
        [...bytes].map((_, at) => at),
      ),
    ).toEqual(lines)
  })

  it('are those of the whole text, whatever the bytes and however they come', () => {
    const byte = fc.constantFrom(10, 10, 13, 32, 9, 97, 0, 0xef, 0xbb, 0xbf, 0xff)
    const bytes = fc.array(byte, { maxLength: 200 }).map((values) => Uint8Array.from(values))
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(200), { maxLength: 20 }), (content, cuts) => {
        expect(linesOf(content, cuts)).toEqual(naiveLines(content))
        expect(tableOf(content, cuts)).toEqual(tableOf(content))
      }),
      { numRuns: 2_000 },
    )
  })

  it('are found in stretches of 1,000 lines and 256 KB at most, unless one line is longer', () => {
    const length = fc.oneof(fc.nat(40), fc.constant(100_000), fc.constant(262_144), fc.constant(300_000))
    const piece = fc.record({ length, times: fc.oneof(fc.constant(1), fc.nat(2_500)), blank: fc.boolean() })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces
          .flatMap(({ length, times, blank }) => {
            const line = (blank ? ' ' : 'x').repeat(length)
            return Array.from({ length: length > 1_000 ? Math.min(times, 3) : times }, () => line)
          })
          .join('\n')
        const bytes = latin1(text)
        const found = stretches(tableOf(bytes), bytes)
        expect(found.flatMap(({ lines }) => lines.map((line) => line.length))).toEqual(
          naiveLines(bytes).map((line) => line.length),
        )
        for (const { start, end, lines } of found) {
          expect(lines.length).toBeLessThanOrEqual(1_000)
          if (lines.length > 1) expect(end - start).toBeLessThanOrEqual(262_144)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('keep a long gap between them out of their stretches', () => {
    const bytes = latin1(`a\n${'\n'.repeat(300_000)}b`)
    expect(stretches(tableOf(bytes), bytes).map(({ first, start, end }) => [first, start, end])).toEqual([
      [0, 0, 1],
      [1, 300_002, 300_003],
    ])
  })

  it('are counted no further than one past the limit', () => {
    const indexer = new LineIndexer({ maxCount: 3 })
    indexer.push(latin1('1\n2\n3\n'))
    expect(indexer.isTooLong).toBe(false)
    indexer.push(latin1('4\n5\n6\n'))
    expect(indexer.isTooLong).toBe(true)
    expect(indexer.finish().count).toBe(4)
  })

  it.each([
    ['little end first', [0xff, 0xfe, 97, 0], true],
    ['big end first', [0xfe, 0xff, 0, 97], true],
    ['UTF-8', [0xef, 0xbb, 0xbf, 97], false],
    ['one byte', [0xff], false],
    ['none', [], false],
  ])('are not those of UTF-16: %s', (_what, content, isUtf16) => {
    for (const size of [1, 4]) {
      const indexer = new LineIndexer(NO_LIMIT)
      for (let at = 0; at < content.length; at += size) indexer.push(Uint8Array.from(content.slice(at, at + size)))
      expect(indexer.isUtf16).toBe(isUtf16)
    }
  })
})
