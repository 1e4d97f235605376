import { describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import type { UserError } from '../../../src/domain/problems.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const FULL: UserError = { code: 'QUEUE_FULL', message: 'full', field: ['filter'], retryAfterMs: 5_000 }

describe('Mutation.retryRun', () => {
  const RETRY = `mutation($id: ID!, $retry: RetryInput) {
    retryRun(id: $id, retry: $retry) { deduplicated run { id retryOf { id } retries { id } } userErrors { code field message } }
  }`

  it('hands on the key and the retries of tasks, defaults filled in, and answers with a run that leads back', async () => {
    const services = testServices()
    const { key, id } = services.runs.add()
    const retry = services.runs.add({ retryOf: id })
    const run = services.engine.view(retry)
    services.runs.launchOutcome = { run, deduplicated: false, userErrors: [] }
    const { data } = await execute(services, RETRY, { id: runId(key), retry: { maxAttempts: 5 } })
    expect(data.retryRun).toEqual({
      deduplicated: false,
      run: { id: runId(retry.key), retryOf: { id: runId(key) }, retries: [] },
      userErrors: [],
    })
    await execute(services, RETRY, { id: runId(key) })
    expect(services.runs.asked).toEqual([
      { name: 'retryRun', args: [key, { maxAttempts: 5, backoffMs: 200, maxBackoffMs: 10_000, unsafe: false }] },
      { name: 'retryRun', args: [key, null] },
    ])
    const first = await execute(services, `{ run(id: "${runId(key)}") { retryOf { id } retries { id } } }`)
    expect(first.data).toEqual({ run: { retryOf: null, retries: [{ id: runId(retry.key) }] } })
  })

  it('knows nothing of a run that was deleted', async () => {
    const services = testServices()
    const { key } = services.runs.add({ retryOf: 99 })
    const { data } = await execute(services, `{ run(id: "${runId(key)}") { retryOf { id } } }`)
    expect(data).toEqual({ run: { retryOf: null } })
  })

  it('finds no run under what is no id of one', async () => {
    const services = testServices()
    const { data } = await execute(services, RETRY, { id: 'task_1' })
    expect(data.retryRun).toEqual({
      deduplicated: false,
      run: null,
      userErrors: [{ code: 'NOT_FOUND', field: ['id'], message: 'there is no run with the id "task_1"' }],
    })
    expect(services.runs.asked).toEqual([])
  })
})

describe.each(['retryRuns', 'cancelRuns'])('Mutation.%s', (name) => {
  const CHANGE = `mutation($filter: RunFilter!) {
    answer: ${name}(filter: $filter) { matched accepted runs { id } userErrors { code field message retryAfterMs } }
  }`

  it('hands on what the filter names, and answers with what came of it', async () => {
    const services = testServices()
    const { key, ...record } = services.runs.add()
    const run = services.engine.view({ key, ...record })
    services.runs.runsOutcome = { matched: 5, accepted: 1, runs: [run], userErrors: [FULL] }
    const { data } = await execute(services, CHANGE, {
      filter: { name: 'a', host: null, status: ['FAILED', 'FAILED'] },
    })
    expect(data.answer).toEqual({ matched: 5, accepted: 1, runs: [{ id: runId(key) }], userErrors: [FULL] })
    expect(services.runs.asked).toEqual([{ name, args: [{ name: 'a', status: ['FAILED'] }] }])
  })
})

describe('Mutation.pruneRuns', () => {
  it('hands on the instant, and answers with how many', async () => {
    const services = testServices()
    const PRUNE = 'mutation($at: DateTime!) { pruneRuns(finishedBefore: $at) { deletedCount userErrors { code } } }'
    const { data } = await execute(services, PRUNE, { at: '2026-11-01T00:00:00.000Z' })
    expect(data.pruneRuns).toEqual({ deletedCount: 3, userErrors: [] })
    expect(services.runs.asked).toEqual([{ name: 'pruneRuns', args: [new Date('2026-11-01T00:00:00.000Z')] }])
  })
})
