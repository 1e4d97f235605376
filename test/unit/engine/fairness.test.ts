import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateLanes, type Claim } from '../../../src/engine/fairness.js'

const claim: fc.Arbitrary<Claim> = fc.record({
  priority: fc.integer({ min: 0, max: 2 }),
  want: fc.nat(20),
  servedMs: fc.nat(1000),
})

describe('allocateLanes', () => {
  it('gives what is wanted while there is enough', () => {
    const claims = [
      { priority: 0, want: 2, servedMs: 0 },
      { priority: 0, want: 3, servedMs: 0 },
    ]
    expect(allocateLanes(claims, 8)).toEqual([2, 3])
  })

  it('shares evenly within a priority, and what one does not want goes to the others', () => {
    const claims = [
      { priority: 0, want: 10, servedMs: 0 },
      { priority: 0, want: 1, servedMs: 0 },
      { priority: 0, want: 10, servedMs: 0 },
    ]
    expect(allocateLanes(claims, 7)).toEqual([3, 1, 3])
  })

  it('serves the higher priority first', () => {
    const claims = [
      { priority: 0, want: 4, servedMs: 0 },
      { priority: 5, want: 3, servedMs: 9000 },
    ]
    expect(allocateLanes(claims, 4)).toEqual([1, 3])
  })

  it('lets who has had least go first where there are more runs than lanes', () => {
    const claims = [300, 100, 200].map((servedMs) => ({ priority: 0, want: 1, servedMs }))
    expect(allocateLanes(claims, 2)).toEqual([0, 1, 1])
  })

  it('never gives more than is wanted or there, leaves nothing idle, and is max-min fair', () => {
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 12 }), fc.nat(32), (claims, capacity) => {
        const shares = allocateLanes(claims, capacity)
        const given = shares.reduce((sum, share) => sum + share, 0)
        const wanted = claims.reduce((sum, { want }) => sum + want, 0)
        expect(given).toBe(Math.min(capacity, wanted))
        claims.forEach((one, at) => {
          expect(shares[at]).toBeLessThanOrEqual(one.want)
          // Who wants more has at least as many as any other of its priority, less one, and nobody below has any.
          if (shares[at]! === one.want) return
          claims.forEach((other, place) => {
            if (other.priority === one.priority) expect(shares[place]!).toBeLessThanOrEqual(shares[at]! + 1)
            if (other.priority < one.priority) expect(shares[place]).toBe(0)
          })
        })
      }),
    )
  })
})
