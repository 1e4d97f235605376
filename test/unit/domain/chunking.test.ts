import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkSizer, MAX_CHUNK } from '../../../src/domain/chunking.js'

const plenty = { remaining: 10_000_000, lanes: 2 }

/** Hands out and observes `rounds` chunks of tasks that take `taskMs` each; the sizes. */
function sizesFor(sizer: ChunkSizer, taskMs: number, rounds: number): number[] {
  return Array.from({ length: rounds }, () => {
    const size = sizer.next(plenty)
    sizer.observe(size, size * taskMs)
    return size
  })
}

describe('ChunkSizer', () => {
  it('starts at one, and grows fourfold toward five milliseconds of work', () => {
    expect(sizesFor(new ChunkSizer(null), 0.01, 7)).toEqual([1, 4, 16, 64, 256, 256, 256])
    expect(sizesFor(new ChunkSizer(null), 0.1, 5)).toEqual([1, 4, 16, 50, 50])
    expect(sizesFor(new ChunkSizer(null), 3, 3)).toEqual([1, 1, 1])
    expect(sizesFor(new ChunkSizer(null), 500, 3)).toEqual([1, 1, 1])
  })

  it('never passes its maximum, even for tasks too short to measure', () => {
    expect(sizesFor(new ChunkSizer(null), 0, 9).at(-1)).toBe(MAX_CHUNK)
  })

  it('shrinks at once when a task is suddenly slow, and grows back', () => {
    const sizer = new ChunkSizer(null)
    sizesFor(sizer, 0.01, 6)
    sizer.observe(256, 255 * 0.01 + 2000)
    expect(sizer.next(plenty)).toBe(1)
    expect(sizesFor(sizer, 0.01, 5)).toEqual([1, 4, 16, 64, 256])
  })

  it('hands out at most half of an equal share of what remains, and the last item too', () => {
    const sizer = new ChunkSizer(null)
    sizesFor(sizer, 0.001, 8)
    expect(sizer.next({ remaining: 100, lanes: 4 })).toBe(13)
    expect(sizer.next({ remaining: 1, lanes: 4 })).toBe(1)
    expect(sizer.next({ remaining: 0, lanes: 4 })).toBe(0)
  })

  it('keeps a size that was asked for, whatever is observed', () => {
    const sizer = new ChunkSizer(25)
    sizer.observe(25, 60_000)
    expect(sizer.next(plenty)).toBe(25)
    expect(sizer.next({ remaining: 30, lanes: 8 })).toBe(25)
    expect(sizer.next({ remaining: 7, lanes: 8 })).toBe(7)
  })

  it('lends more than it would give away, unless a size was asked for', () => {
    const sizer = new ChunkSizer(null)
    expect(sizer.lent).toBe(256)
    sizesFor(sizer, 0.001, 7)
    expect(sizer.lent).toBe(MAX_CHUNK)
    expect(new ChunkSizer(3).lent).toBe(3)
  })

  it('ignores an observation of nothing', () => {
    const sizer = new ChunkSizer(null)
    sizer.observe(0, 0)
    expect(sizer.next(plenty)).toBe(1)
  })

  it('ends every run, and settles between two and ten milliseconds where tasks allow it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.003, max: 2, noNaN: true }), fc.integer({ min: 1, max: 32 }), (taskMs, lanes) => {
        const sizer = new ChunkSizer(null)
        const sizes: number[] = []
        for (let remaining = 20_000; remaining > 0; remaining -= sizes.at(-1) ?? 0) {
          const size = sizer.next({ remaining, lanes })
          sizes.push(size)
          sizer.observe(size, size * taskMs)
        }
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20_000)
        expect(Math.min(...sizes)).toBe(1)
        const settledMs = sizer.next(plenty) * taskMs
        expect(settledMs).toBeGreaterThanOrEqual(2)
        expect(settledMs).toBeLessThanOrEqual(10)
      }),
    )
  })
})
