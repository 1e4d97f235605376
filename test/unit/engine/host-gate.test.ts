import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LimitedHosts } from '../../../src/engine/host-gate.js'

/** The most starts in any second, from its beginning on and without its end. */
function mostInASecond(starts: readonly number[]): number {
  let most = 0
  let first = 0
  starts.forEach((atMs, at) => {
    while (starts[first]! <= atMs - 1000) first += 1
    most = Math.max(most, at - first + 1)
  })
  return most
}

describe('LimitedHosts', () => {
  it('lets no more be under way to a host than allowed, and to each as many', () => {
    const gate = new LimitedHosts({ concurrency: 2, rate: null })
    gate.start('a', 0)
    gate.start('a', 0)
    expect([gate.room('a', 0), gate.room('b', 0), gate.dueMs('a', 0)]).toEqual([0, 2, null])
    gate.end('a', 0)
    expect([gate.room('a', 0), gate.underway]).toEqual([1, 1])
    gate.end('a', 0)
    expect([gate.underway, gate.size]).toEqual([0, 0])
  })

  it('begins with one, not with a burst, and says when the next one is due', () => {
    const gate = new LimitedHosts({ concurrency: null, rate: 0.2 })
    expect(gate.room('a', 1_000)).toBe(1)
    gate.start('a', 1_000)
    expect(gate.room('a', 1_001)).toBe(0)
    expect(gate.dueMs('a', 1_001)).toBe(6_100)
    expect(gate.room('a', 6_100)).toBe(1)
    // Left alone for long it has nothing saved up.
    expect(gate.room('a', 100_000)).toBe(1)
    const fast = new LimitedHosts({ concurrency: null, rate: 500 })
    fast.start('a', 0)
    expect([fast.room('a', 50), fast.room('a', 100_000)]).toEqual([24, 1])
  })

  it('waits for an end, not for time, where all are under way', () => {
    const gate = new LimitedHosts({ concurrency: 1, rate: 10 })
    gate.start('a', 0)
    expect([gate.room('a', 5_000), gate.dueMs('a', 10)]).toEqual([0, null])
    gate.end('a', 0)
    expect(gate.dueMs('a', 10)).toBe(102)
  })

  it('keeps the distance from what got on its way late', () => {
    const gate = new LimitedHosts({ concurrency: null, rate: 10 })
    gate.start('a', 0)
    gate.startedLate('a', 150)
    expect([gate.room('a', 200), gate.dueMs('a', 200)]).toEqual([0, 252])
    gate.startedLate('a', 100)
    expect(gate.dueMs('a', 200)).toBe(252)
  })

  it('never starts more in any second than the rate says, whenever it is asked', () => {
    // Evenly spread: of doubles nearly all would be next to nothing.
    const gapMs = fc.integer({ min: 0, max: 150_000 }).map((microseconds) => microseconds / 1000)
    const gaps = fc.array(gapMs, { minLength: 200, maxLength: 600 })
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 900, max: 1_100 })),
        gaps,
        (rate, steps) => {
          const gate = new LimitedHosts({ concurrency: null, rate })
          const starts: number[] = []
          let nowMs = 50
          for (const gap of steps) {
            nowMs += gap
            for (let room = gate.room('a', nowMs); room > 0; room -= 1) {
              gate.start('a', nowMs)
              gate.end('a', 0)
              starts.push(nowMs)
            }
            expect(gate.room('a', nowMs)).toBe(0)
            const dueMs = gate.dueMs('a', nowMs)!
            expect(dueMs).toBeGreaterThan(nowMs)
            expect(gate.room('a', dueMs)).toBeGreaterThan(0)
          }
          expect(mostInASecond(starts)).toBeLessThanOrEqual(rate)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('loses next to nothing where timers are late', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 10 })),
        (rate, late) => {
          const gate = new LimitedHosts({ concurrency: null, rate })
          const endMs = 10_000 + (10 * 1000) / rate
          let started = 0
          for (let nowMs = 0; nowMs < endMs; ) {
            for (let room = gate.room('a', nowMs); room > 0; room -= 1) {
              gate.start('a', nowMs)
              gate.end('a', 0)
              started += 1
            }
            nowMs = Math.max(nowMs + 4, gate.dueMs('a', nowMs) ?? nowMs) + 3 * late.next().value!
          }
          // But for the last one or two.
          expect(started + 2).toBeGreaterThanOrEqual((0.95 * rate * endMs) / 1000)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('forgets hosts that were left alone', () => {
    const gate = new LimitedHosts({ concurrency: 1, rate: 100 })
    gate.start('slow', 0)
    for (let host = 0; host < 100_000; host += 1) {
      gate.start(String(host), host)
      gate.end(String(host), host)
    }
    expect(gate.size).toBeLessThan(3_000)
    expect(gate.room('slow', 100_000)).toBe(0)
  })
})
