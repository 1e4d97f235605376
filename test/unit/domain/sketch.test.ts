import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LogSketch, MIN_TRACKED_MS, RELATIVE_ACCURACY } from '../../../src/domain/sketch.js'

const times = fc.array(fc.double({ min: MIN_TRACKED_MS, max: 1e12, noNaN: true }), { minLength: 1, maxLength: 300 })

function sketchOf(values: Iterable<number>): LogSketch {
  const sketch = new LogSketch()
  for (const value of values) sketch.add(value)
  return sketch
}

function isNear(estimate: number, value: number): boolean {
  // The last factor: the logarithm itself is rounded.
  return Math.abs(estimate - value) <= RELATIVE_ACCURACY * value * (1 + 1e-9)
}

describe('LogSketch', () => {
  it('is within one per cent at every rank', () => {
    fc.assert(
      fc.property(times, (values) => {
        const sketch = sketchOf(values)
        const sorted = values.toSorted((a, b) => a - b)
        expect(sketch.count).toBe(values.length)
        for (const [at, value] of sorted.entries()) expect(isNear(sketch.valueAtRank(at + 1), value)).toBe(true)
      }),
    )
  })

  it('is the same sketch whatever was added where and merged how', () => {
    fc.assert(
      fc.property(times, times, times, (a, b, c) => {
        const left = sketchOf(a)
        left.merge(sketchOf(b))
        left.merge(sketchOf(c))
        const right = sketchOf(c)
        right.merge(sketchOf([...b, ...a]))
        expect(left.toBytes()).toEqual(right.toBytes())
        expect(left.toBytes()).toEqual(sketchOf([...c, ...a, ...b]).toBytes())
      }),
    )
  })

  it('is read back from its bytes', () => {
    fc.assert(
      fc.property(times, (values) => {
        const sketch = sketchOf([0, ...values])
        const read = LogSketch.fromBytes(sketch.toBytes())
        expect(read.count).toBe(sketch.count)
        expect(read.buckets()).toEqual(sketch.buckets())
        read.add(5)
        sketch.add(5)
        expect(read.toBytes()).toEqual(sketch.toBytes())
      }),
    )
    expect(LogSketch.fromBytes(new LogSketch().toBytes()).count).toBe(0)
  })

  it('takes few bytes: a million times from a microsecond to a minute', () => {
    const sketch = new LogSketch()
    for (let at = 0; at < 1_000_000; at += 1) sketch.add(0.001 * 1.00001786 ** at)
    expect(sketch.count).toBe(1_000_000)
    expect(sketch.toBytes().length).toBeLessThan(4096)
  })

  it('counts what is below its smallest value as the smallest', () => {
    const sketch = sketchOf([0, -3, MIN_TRACKED_MS / 2, 7])
    expect([1, 2, 3].map((rank) => sketch.valueAtRank(rank))).toEqual([0, 0, 0])
    expect(isNear(sketch.valueAtRank(4), 7)).toBe(true)
  })

  it('holds the largest double beside the smallest value', () => {
    const sketch = sketchOf([Number.MAX_VALUE, MIN_TRACKED_MS])
    expect(isNear(sketch.valueAtRank(1), MIN_TRACKED_MS)).toBe(true)
    expect(LogSketch.fromBytes(sketch.toBytes()).count).toBe(2)
  })

  it('refuses what is no time', () => {
    for (const value of [Number.NaN, Infinity, -Infinity]) expect(() => new LogSketch().add(value)).toThrow(RangeError)
  })

  it('has no value past its count', () => {
    expect(() => sketchOf([1, 2]).valueAtRank(3)).toThrow(RangeError)
  })

  it('counts past 2^32 when merged', () => {
    const sketch = sketchOf([3, 4])
    for (let doubling = 0; doubling < 34; doubling += 1) sketch.merge(LogSketch.fromBytes(sketch.toBytes()))
    expect(sketch.count).toBe(2 ** 35)
    expect(
      LogSketch.fromBytes(sketch.toBytes())
        .buckets()
        .map(({ count }) => count),
    ).toEqual([2 ** 34, 2 ** 34])
  })

  it('refuses bytes that are no sketch', () => {
    const good = sketchOf([1, 1000]).toBytes()
    expect(() => LogSketch.fromBytes(new Uint8Array())).toThrow('end within a number')
    expect(() => LogSketch.fromBytes(Uint8Array.of(9, 0))).toThrow('format 9')
    expect(() => LogSketch.fromBytes(good.slice(0, -1))).toThrow('end within a number')
    expect(() => LogSketch.fromBytes(Uint8Array.of(1, 0, 0xff, 0xff, 0x7f, 1))).toThrow('past the largest')
    expect(() => LogSketch.fromBytes(Uint8Array.of(1, ...Array(9).fill(0xff), 1))).toThrow('passes 2^53')
  })
})
