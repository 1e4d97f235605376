import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { allocateLanes, type Claim } from '../../../src/engine/fairness.js'

/** Stages of a few runs, each of which has one priority and one lane time. */
const claims: fc.Arbitrary<Claim[]> = fc
  .array(
    fc.record({
      priority: fc.integer({ min: 0, max: 2 }),
      servedMs: fc.nat(1000),
      stages: fc.array(fc.record({ want: fc.nat(20), stageMs: fc.nat(1000), computes: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
    { maxLength: 8 },
  )
  .map((runs) =>
    runs.flatMap(({ priority, servedMs, stages }, at) =>
      stages.map((stage) => ({ key: toRunKey(`run ${at}`), priority, servedMs, ...stage })),
    ),
  )
  // The order of the claims says nothing.
  .chain((list) => fc.shuffledSubarray(list, { minLength: list.length }))

/** Of plain runs: each has a key of its own. */
function plain(list: Pick<Claim, 'priority' | 'want' | 'servedMs'>[]): Claim[] {
  return list.map((one, at) => ({ ...one, key: toRunKey(`plain ${at}`), stageMs: one.servedMs, computes: true }))
}

/** Of the stages of one run, which have had this much lane time. */
function pipeline(want: number, stageMs: number[], servedMs = 0): Claim[] {
  return stageMs.map((ms) => ({ key: toRunKey('pipeline'), priority: 0, want, servedMs, stageMs: ms, computes: true }))
}

describe('allocateLanes', () => {
  it('gives what is wanted while there is enough', () => {
    const claims = plain([
      { priority: 0, want: 2, servedMs: 0 },
      { priority: 0, want: 3, servedMs: 0 },
    ])
    expect(allocateLanes(claims, { lanes: 8, cores: 8 })).toEqual([2, 3])
  })

  it('shares evenly within a priority, and what one does not want goes to the others', () => {
    const claims = plain([
      { priority: 0, want: 10, servedMs: 0 },
      { priority: 0, want: 1, servedMs: 0 },
      { priority: 0, want: 10, servedMs: 0 },
    ])
    expect(allocateLanes(claims, { lanes: 7, cores: 7 })).toEqual([3, 1, 3])
  })

  it('serves the higher priority first', () => {
    const claims = plain([
      { priority: 0, want: 4, servedMs: 0 },
      { priority: 5, want: 3, servedMs: 9000 },
    ])
    expect(allocateLanes(claims, { lanes: 4, cores: 4 })).toEqual([1, 3])
  })

  it('lets who has had least go first where there are more runs than lanes', () => {
    const claims = plain([300, 100, 200].map((servedMs) => ({ priority: 0, want: 1, servedMs })))
    expect(allocateLanes(claims, { lanes: 2, cores: 2 })).toEqual([0, 1, 1])
  })

  it('takes the stages of a pipeline for one run', () => {
    const run = plain([{ priority: 0, want: 4, servedMs: 0 }])
    expect(allocateLanes([...run, ...pipeline(4, [0, 0, 0])], { lanes: 4, cores: 4 })).toEqual([2, 1, 1, 0])
    expect(allocateLanes([...pipeline(4, [0, 0, 0]), ...run], { lanes: 5, cores: 5 })).toEqual([1, 1, 1, 2])
  })

  it('lets the stage go first that has had least, though another run has had less than either', () => {
    const run = plain([{ priority: 0, want: 1, servedMs: 100 }])
    expect(allocateLanes([...pipeline(2, [300, 200, 400], 900), ...run], { lanes: 2, cores: 2 })).toEqual([0, 1, 0, 1])
  })

  it('gives those that compute no more cores than a higher priority leaves them', () => {
    const computes = (list: [priority: number, want: number][]) =>
      plain(list.map(([priority, want]) => ({ priority, want, servedMs: 0 })))
    const capacity = { lanes: 32, cores: 2 }
    expect(
      allocateLanes(
        computes([
          [0, 2],
          [1, 2],
        ]),
        capacity,
      ),
    ).toEqual([0, 2])
    expect(
      allocateLanes(
        computes([
          [0, 2],
          [1, 1],
        ]),
        capacity,
      ),
    ).toEqual([1, 1])
    // Of one priority all share the cores as their operating system has it, and whoever asks for more lanes than cores gets them.
    expect(
      allocateLanes(
        computes([
          [1, 2],
          [1, 2],
          [0, 2],
          [0, 8],
        ]),
        capacity,
      ),
    ).toEqual([2, 2, 0, 0])
    expect(allocateLanes(computes([[0, 8]]), capacity)).toEqual([8])
    // What fetches waits, and keeps nobody's core busy.
    const fetches = plain([{ priority: 0, want: 1, servedMs: 0 }]).map((one) => ({ ...one, computes: false }))
    expect(allocateLanes([...fetches, ...computes([[1, 2]])], capacity)).toEqual([1, 2])
    expect(allocateLanes([...computes([[-1, 2]]), ...fetches], capacity)).toEqual([2, 1])
  })

  it('never gives more than is wanted or there, leaves nothing idle, and is max-min fair', () => {
    fc.assert(
      fc.property(claims, fc.nat(32), (claims, lanes) => {
        // As many cores as lanes can be wanted: they are nobody's limit.
        const shares = allocateLanes(claims, { lanes, cores: 1_000 })
        const given = shares.reduce((sum, share) => sum + share, 0)
        const wanted = claims.reduce((sum, { want }) => sum + want, 0)
        const ofRun = ({ key }: Claim) => claims.reduce((sum, one, at) => sum + (one.key === key ? shares[at]! : 0), 0)
        expect(given).toBe(Math.min(lanes, wanted))
        claims.forEach((one, at) => {
          expect(shares[at]).toBeLessThanOrEqual(one.want)
          // Whose stage wants more has at least as many as any other run of its priority, less one, and nobody below has any.
          if (shares[at]! === one.want) return
          claims.forEach((other, place) => {
            if (other.priority === one.priority) expect(ofRun(other)).toBeLessThanOrEqual(ofRun(one) + 1)
            if (other.priority < one.priority) expect(shares[place]).toBe(0)
            // So it is with the stages of the run.
            if (other.key === one.key) expect(shares[place]!).toBeLessThanOrEqual(shares[at]! + 1)
          })
        })
      }),
    )
  })

  it('leaves a lane idle only where a higher priority computes on as many cores as there are', () => {
    fc.assert(
      fc.property(claims, fc.nat(32), fc.integer({ min: 1, max: 16 }), (claims, lanes, cores) => {
        const shares = allocateLanes(claims, { lanes, cores })
        const given = shares.reduce((sum, share) => sum + share, 0)
        claims.forEach((one, at) => {
          const computing = claims.reduce(
            (sum, { computes, priority }, place) => sum + (computes && priority >= one.priority ? shares[place]! : 0),
            0,
          )
          const above = claims.reduce(
            (sum, { computes, priority }, place) => sum + (computes && priority > one.priority ? shares[place]! : 0),
            0,
          )
          if (one.computes && above > 0 && shares[at]! > 0) expect(computing).toBeLessThanOrEqual(cores)
          if (shares[at]! === one.want || given === lanes) return
          expect([one.computes, above > 0, computing >= cores]).toEqual([true, true, true])
        })
      }),
    )
  })
})
