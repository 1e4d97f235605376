import { graphql } from 'graphql'
import { describe, expect, it } from 'vitest'
import { ANYONE } from '../../../src/domain/access.js'
import type { UserError } from '../../../src/domain/problems.js'
import { type Caller, createContext } from '../../../src/graphql/context.js'
import { schema } from '../../../src/graphql/schema.js'
import { execute } from '../../support/execute.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

const PLAN = `query($batch: BatchInput!, $probe: Boolean) {
  planBatch(batch: $batch, probe: $probe) {
    total duplicates hosts { host items } hostCount
    advice { strategy concurrency lanes reasons probe expectedWallMs expectedWallHighMs }
    userErrors { code message field retryAfterMs }
  }
}`
const BATCH = { compute: { function: 'square', source: { range: { from: 0, to: 3 } } } }

/** As a caller of this kind asks. */
async function askAs(services: TestServices, caller: Caller, variableValues: Record<string, unknown>) {
  return graphql({ schema, source: PLAN, variableValues, contextValue: createContext(services, caller) })
}

describe('planBatch', () => {
  it('hands the batch to the engine with its defaults, and answers with the plan', async () => {
    const services = testServices()
    const advice = {
      strategy: 'THREADS' as const,
      concurrency: 2,
      lanes: 2,
      reasons: ['It computes.'],
      probe: { tasks: 3, items: [0, 2, 1] },
      expectedWallMs: 12.5,
      expectedWallHighMs: 20,
    }
    const plan = {
      total: 3,
      duplicates: 1,
      hosts: [{ host: 'a.example', items: 2 }],
      hostCount: 1,
      advice,
      userErrors: [],
    }
    services.runs.plan = plan
    const { data } = await execute(services, PLAN, { batch: BATCH })
    expect(data.planBatch).toEqual(plan)
    expect(services.runs.plans).toMatchObject([
      {
        batch: { compute: { function: 'square', source: { range: { from: 0, to: 3, step: 1 } } } },
        call: { space: '', probing: 'ALLOWED' },
      },
    ])
    expect(services.runs.launches).toEqual([])
  })

  it('answers with what the caller can mend, and no advice', async () => {
    const services = testServices()
    const userErrors: UserError[] = [
      { code: 'INVALID', message: 'no', field: ['batch', 'compute', 'source', 'file', '7'], retryAfterMs: null },
    ]
    services.runs.plan = { total: 0, duplicates: 0, hosts: [], hostCount: 0, advice: null, userErrors }
    const { data } = await execute(services, PLAN, { batch: BATCH })
    expect(data.planBatch).toMatchObject({ advice: null, userErrors })
  })

  it('has an empty probe where nothing was measured', async () => {
    const services = testServices()
    const advice = {
      strategy: 'ASYNC' as const,
      concurrency: 1,
      lanes: 1,
      reasons: [],
      probe: null,
      expectedWallMs: null,
      expectedWallHighMs: null,
    }
    services.runs.plan = { total: 1, duplicates: 0, hosts: [], hostCount: 0, advice, userErrors: [] }
    const { data } = await execute(services, PLAN, { batch: BATCH })
    expect(data.planBatch).toMatchObject({ advice: { probe: {}, expectedWallMs: null } })
  })

  it('tries nothing where that was declined, nor where the request may change nothing', async () => {
    const services = testServices()
    const leaves = () => new AbortController().signal
    await askAs(services, { identity: ANYONE, isSafe: false, transport: 'SSE', leaves }, { batch: BATCH, probe: false })
    await askAs(services, { identity: ANYONE, isSafe: true, transport: 'SSE', leaves }, { batch: BATCH, probe: true })
    await askAs(services, { identity: ANYONE, isSafe: true, transport: 'SSE', leaves }, { batch: BATCH, probe: false })
    await askAs(services, { identity: ANYONE, isSafe: false, transport: 'SSE', leaves }, { batch: BATCH, probe: true })
    await askAs(services, { identity: ANYONE, isSafe: false, transport: 'SSE', leaves }, { batch: BATCH, probe: null })
    expect(services.runs.plans.map(({ call }) => call.probing)).toEqual([
      'DECLINED',
      'NOT_BY_GET',
      'NOT_BY_GET',
      'ALLOWED',
      'ALLOWED',
    ])
  })

  it('hands on that the caller has left, which is no fault of the server', async () => {
    const services = testServices()
    const gone = new AbortController()
    services.runs.plan = new Error('gone')
    gone.abort()
    const { errors } = await askAs(
      services,
      { identity: ANYONE, isSafe: false, transport: 'SSE', leaves: () => gone.signal },
      { batch: BATCH },
    )
    expect(services.runs.plans[0]?.call.signal.aborted).toBe(true)
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT'])
  })

  it('lets faults of the server be what they are', async () => {
    const services = testServices()
    services.runs.plan = new Error('the disk is gone')
    const { messages } = await execute(services, PLAN, { batch: BATCH })
    expect(messages).toEqual(['the disk is gone'])
  })

  it.each([[{}], [{ compute: BATCH.compute, fetch: { source: { urls: ['a'] } } }], [{ compute: null }]])(
    'is not reached by %j',
    async (batch) => {
      const services = testServices()
      const { messages } = await execute(services, PLAN, { batch })
      expect(messages).toHaveLength(1)
      expect(services.runs.plans).toEqual([])
    },
  )
})
