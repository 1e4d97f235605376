import { describe, expect, it } from 'vitest'
import type { Budget } from '../../../src/domain/budget.js'
import { runId } from '../../../src/domain/ids.js'
import { execute } from '../../support/execute.js'
import { batchSpec } from '../../support/fake-runs.js'
import { testServices } from '../../support/fake-services.js'

const BUDGET = 'query($id: ID!) { run(id: $id) { budget { passed checks { name limit actual passed } } } }'
const OPEN: Budget = { wallMs: null, serviceP95Ms: null, failureRate: null }

/** A run with a budget, or none, and what it is asked for. */
function launched(budget?: Budget) {
  const services = testServices()
  const { key } = services.runs.add({ spec: batchSpec(budget ? { budget } : {}) })
  const ask = async () => (await execute(services, BUDGET, { id: runId(key) })).data.run as { budget: unknown }
  return { runs: services.runs, key, ask }
}

describe('Run.budget', () => {
  it('is null of a run without one', async () => {
    const { ask, runs } = launched()
    expect(await ask()).toEqual({ budget: null })
    expect(runs.calls.distribution).toBe(0)
  })

  it('says check by check how a run kept it', async () => {
    const { ask, runs, key } = launched({ wallMs: 1000, serviceP95Ms: 4, failureRate: 0.5 })
    // Starts at 10, 20, 30, and 5 ms each.
    for (const status of ['SUCCEEDED', 'FAILED', 'CANCELLED'] as const) runs.end(key, { status })
    runs.finish(key, 'CANCELLED')
    expect(await ask()).toEqual({
      budget: {
        passed: false,
        checks: [
          { name: 'wallMs', limit: 1000, actual: 25, passed: true },
          { name: 'serviceP95Ms', limit: 4, actual: 5, passed: false },
          { name: 'failureRate', limit: 0.5, actual: 0.5, passed: true },
        ],
      },
    })
  })

  it('has nothing against a run of which nothing has ended', async () => {
    const { ask } = launched({ wallMs: 1, serviceP95Ms: 1, failureRate: 0 })
    expect(await ask()).toMatchObject({
      budget: { passed: true, checks: [{ actual: 0 }, { actual: 0 }, { actual: 0 }] },
    })
  })

  it('reads the times only where their percentile is limited', async () => {
    const { ask, runs, key } = launched({ ...OPEN, wallMs: 1 })
    runs.end(key)
    expect(await ask()).toEqual({
      budget: { passed: false, checks: [{ name: 'wallMs', limit: 1, actual: 5, passed: false }] },
    })
    expect(runs.calls.distribution).toBe(0)
  })
})
