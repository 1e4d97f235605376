import { describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import type { UserError } from '../../../src/domain/problems.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const PAYLOAD = '{ run { id } deduplicated userErrors { code message field retryAfterMs } }'
const FETCH = `mutation($input: LaunchFetchBatchInput!) { launchFetchBatch(input: $input) ${PAYLOAD} }`
const COMPUTE = `mutation($input: LaunchComputeBatchInput!) { launchComputeBatch(input: $input) ${PAYLOAD} }`

describe('launchFetchBatch', () => {
  it('hands the input to the engine with its defaults, and answers with the run', async () => {
    const services = testServices()
    const run = services.engine.view(services.runs.add())
    services.runs.launchOutcome = { run, deduplicated: true, userErrors: [] }
    const input = {
      source: { template: { template: 'https://a.example/{i}', to: 3 } },
      fetch: {},
      options: { retry: {} },
    }
    const { data } = await execute(services, FETCH, { input })
    expect(data.launchFetchBatch).toEqual({ run: { id: runId(run.record.key) }, deduplicated: true, userErrors: [] })
    expect(services.runs.launches).toEqual([
      {
        space: '',
        input: {
          source: { template: { template: 'https://a.example/{i}', from: 1, to: 3, step: 1 } },
          fetch: { bodyPolicy: 'DISCARD', maxBytes: 10485760, maxRedirects: 5, dedupe: false },
          options: {
            strategy: 'AUTO',
            priority: 0,
            failFast: false,
            retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10000, unsafe: false },
          },
        },
      },
    ])
  })

  it('passes on null as it is', async () => {
    const services = testServices()
    const input = { source: { requests: [{ url: 'x', method: null }] }, options: { name: null, strategy: null } }
    await execute(services, FETCH, { input })
    expect(services.runs.launches[0]?.input).toMatchObject(input)
  })

  it('answers with what the caller can mend', async () => {
    const services = testServices()
    const userErrors: UserError[] = [
      { code: 'INVALID', message: 'no', field: ['input', 'source', 'urls', '17'], retryAfterMs: null },
      { code: 'QUEUE_FULL', message: 'full', field: null, retryAfterMs: 500 },
    ]
    services.runs.launchOutcome = { run: null, deduplicated: false, userErrors }
    const { data } = await execute(services, FETCH, { input: { source: { urls: [] } } })
    expect(data.launchFetchBatch).toEqual({ run: null, deduplicated: false, userErrors })
  })

  it.each([
    [{ source: {} }],
    [{ source: { urls: ['a'], requests: [] } }],
    [{ source: { urls: null } }],
    [{ source: { urls: ['a'] }, options: { strategy: 'MAGIC' } }],
    [{ source: { urls: ['a'] }, options: { concurrency: 1.5 } }],
    [{ source: { urls: ['a'] }, nothing: 1 }],
  ])('is not reached by %j', async (input) => {
    const services = testServices()
    const { messages } = await execute(services, FETCH, { input })
    expect(messages).toHaveLength(1)
    expect(services.runs.launches).toEqual([])
  })
})

describe('launchComputeBatch', () => {
  it('takes inputs of any shape, and a range', async () => {
    const services = testServices()
    const inputs = [1, 'x', { a: [true, null] }]
    await execute(services, COMPUTE, { input: { function: 'square', source: { inputs }, chunkSize: 2, reduce: 'SUM' } })
    await execute(services, COMPUTE, { input: { function: 'square', source: { range: { from: 0, to: 1e6 } } } })
    expect(services.runs.launches.map(({ input }) => input)).toEqual([
      { function: 'square', source: { inputs }, chunkSize: 2, reduce: 'SUM' },
      { function: 'square', source: { range: { from: 0, to: 1e6, step: 1 } } },
    ])
  })

  it('refuses inputs that lose digits', async () => {
    const services = testServices()
    const source = `mutation { launchComputeBatch(input: { function: "square", source: { inputs: [9007199254740993] } }) ${PAYLOAD} }`
    expect((await execute(services, source)).messages[0]).toContain('decimal strings')
    expect(services.runs.launches).toEqual([])
  })
})
