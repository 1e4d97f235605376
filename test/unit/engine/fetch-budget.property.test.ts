import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LateLanes, settle } from '../../support/fetching-runs.js'

type LaneStep =
  | { do: 'launch'; wanted: number; priority: number }
  | { do: 'want'; at: number; count: number }
  | { do: 'end'; at: number; count: number }
  | { do: 'arrive' | 'miss' | 'retire' | 'seek'; at: number }
  | { do: 'compute'; takes: boolean }

const laneStep: fc.Arbitrary<LaneStep> = fc.oneof(
  fc.record({ do: fc.constant('launch' as const), wanted: fc.integer({ min: 1, max: 12 }), priority: fc.nat(1) }),
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat(9), count: fc.integer({ min: 1, max: 6 }) }),
  },
  fc.record({ do: fc.constant('want' as const), at: fc.nat(9), count: fc.nat(12) }),
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'arrive' as const,
        'arrive' as const,
        'miss' as const,
        'retire' as const,
        'seek' as const,
        'seek' as const,
      ),
      at: fc.nat(9),
    }),
  },
  fc.record({ do: fc.constant('compute' as const), takes: fc.boolean() }),
)

function takeStep(lanes: LateLanes, step: LaneStep): void {
  const { runs } = lanes
  if (step.do === 'launch') lanes.launch(step.wanted, step.priority)
  else if (step.do === 'compute') lanes.computes = step.takes ? lanes.computes + Math.min(1, lanes.free) : 0
  else if (step.do === 'arrive') lanes.arrive(step.at)
  else if (step.do === 'miss') lanes.miss(step.at)
  else if (step.do === 'seek') lanes.seek([...runs.slice(step.at), ...runs.slice(0, step.at)])
  else {
    const run = runs[step.at % Math.max(1, runs.length)]
    if (step.do === 'want') lanes.want(run, step.count)
    else if (step.do === 'end') run?.end(step.count)
    else lanes.retire(run)
  }
}

describe('FetchBudget, lanes that come late, not at all, or are taken away', () => {
  it('never exceeds the limit, leaves nothing unused, lets nobody hold a lane for nothing, and starves nobody', async () => {
    const limits = fc.integer({ min: 1, max: 8 })
    const lanesOf = fc.integer({ min: 1, max: 4 })
    const launches = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 5 })
    const changes = fc.array(laneStep, { maxLength: 50, size: 'max' })
    await fc.assert(
      fc.asyncProperty(limits, lanesOf, launches, changes, async (limit, count, wants, steps) => {
        const lanes = new LateLanes(limit, count)
        for (const wanted of wants) lanes.launch(wanted, 0)
        for (const step of steps) {
          takeStep(lanes, step)
          await settle()
          lanes.look()
        }
        lanes.computes = 0
        for (const priority of [1, 0]) {
          const hungry = lanes.runs.filter((run) => run.priority === priority && run.wanted > 0)
          const served = await lanes.turns(4 * lanes.runs.length + 4)
          for (const run of hungry) expect(served.has(run)).toBe(true)
          for (const run of hungry) {
            run.end(run.claimed)
            lanes.want(run, 0)
          }
          await settle()
          lanes.look()
        }
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
