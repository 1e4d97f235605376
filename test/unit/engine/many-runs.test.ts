import { beforeEach, describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import type { RunRecord } from '../../../src/domain/run.js'
import type { ControlOutcome, RunView } from '../../../src/engine/engine.js'
import { ManyRuns } from '../../../src/engine/many-runs.js'
import type { RetryOutcome } from '../../../src/engine/retries.js'
import type { PageRequest, RunFilter, RunOrder } from '../../../src/store/store.js'
import { FakeRuns } from '../../support/fake-runs.js'

const FULL = { code: 'QUEUE_FULL' as const, message: 'full', field: ['filter'], retryAfterMs: 5_000 }
const GONE = { code: 'NOT_FOUND' as const, message: 'gone', field: ['filter'], retryAfterMs: null }

let runs: FakeRuns
let pages: { filter: RunFilter; order: RunOrder; page: PageRequest }[]
let repeat: (run: RunRecord) => Promise<RetryOutcome>
let cancel: (key: RunKey) => Promise<ControlOutcome>
let many: ManyRuns

beforeEach(() => {
  runs = new FakeRuns()
  pages = []
  // A retry is a run that the filter may find as well.
  repeat = async ({ id }) => ({ run: view(runs.add({ retryOf: id, status: 'FAILED' })), userErrors: [] })
  cancel = async (key) => {
    runs.finish(key, 'CANCELLED')
    return { run: await runs.engine.run(key), userErrors: [] }
  }
  many = new ManyRuns({
    store: {
      countRuns: runs.store.countRuns,
      runs: (filter, order, page) => {
        pages.push({ filter, order, page })
        return runs.store.runs(filter, order, page)
      },
    },
    repeat: (run) => repeat(run),
    cancel: (key) => cancel(key),
  })
})

function view(record: RunRecord): RunView {
  return runs.engine.view(record)
}

function add(count: number, status: RunRecord['status']): RunRecord[] {
  return Array.from({ length: count }, () => runs.add({ status }))
}

const idsOf = (views: readonly RunView[]) => views.map(({ record }) => record.id)

describe.each(['retry', 'cancel'] as const)('%s', (change) => {
  it.each([
    ['no field', {}],
    ['nulls', { name: null, status: null } as never],
    ['empty lists', { status: [], labels: [], kind: [] }],
    ['blanks', { name: '  ', host: '' }],
  ])('refuses a filter that names nothing: %s', async (_what, filter: RunFilter) => {
    add(3, change === 'retry' ? 'FAILED' : 'QUEUED')
    expect(await many[change](filter)).toEqual({
      matched: 0,
      accepted: 0,
      runs: [],
      userErrors: [
        {
          code: 'EMPTY_FILTER',
          field: ['filter'],
          message: 'the filter names nothing, and would find every run: say which ones',
          retryAfterMs: null,
        },
      ],
    })
    expect(pages).toEqual([])
  })

  it('counts what the filter finds, and passes over what cannot be changed without reading it', async () => {
    add(300, 'SUCCEEDED')
    expect(await many[change]({ status: ['SUCCEEDED'] })).toEqual({
      matched: 300,
      accepted: 0,
      runs: [],
      userErrors: [],
    })
    expect(pages).toEqual([])
    expect(await many[change]({ kind: ['COMPUTE'] })).toMatchObject({ matched: 300, accepted: 0 })
    expect(pages.map(({ page }) => page)).toEqual([{ first: 1 }])
  })

  it('reads a few at a time, and shows the first hundred', async () => {
    const found = add(260, change === 'retry' ? 'FAILED' : 'QUEUED')
    const outcome = await many[change]({ kind: ['COMPUTE'] })
    expect(outcome).toMatchObject({ matched: 260, accepted: 260, userErrors: [] })
    expect(outcome.runs).toHaveLength(100)
    const shown = outcome.runs.map(({ record }) => (change === 'retry' ? record.retryOf : record.id))
    expect(shown).toEqual(found.slice(0, 100).map(({ id }) => id))
    expect(Math.max(...pages.map(({ page }) => page.first ?? 0))).toBe(50)
  })
})

describe('retry', () => {
  it('repeats those that have ended and have something to repeat, not their retries', async () => {
    const [failed] = add(1, 'FAILED')
    add(1, 'RUNNING')
    const [partial] = add(1, 'PARTIAL')
    const { counts } = runs.add()
    // Cancelled when all was done.
    runs.add({ status: 'CANCELLED', counts: { ...counts, succeeded: counts.total } })
    const outcome = await many.retry({ kind: ['COMPUTE'] })
    expect(outcome).toMatchObject({ matched: 5, accepted: 2, userErrors: [] })
    expect(outcome.runs.map(({ record }) => record.retryOf)).toEqual([failed!.id, partial!.id])
  })

  it('ends where the queue is full: what was launched stays, and the rest is not touched', async () => {
    add(10, 'FAILED')
    const asked: number[] = []
    const accepts = repeat
    repeat = async (run) => {
      asked.push(run.id)
      return asked.length > 4 ? { run: null, userErrors: [FULL] } : accepts(run)
    }
    const outcome = await many.retry({ status: ['FAILED'] })
    expect(outcome).toMatchObject({ matched: 10, accepted: 4, userErrors: [FULL] })
    expect(asked).toEqual([1, 2, 3, 4, 5])
  })

  it('goes on past what cannot be repeated for another reason', async () => {
    add(3, 'FAILED')
    const accepts = repeat
    repeat = async (run) => (run.id === 2 ? { run: null, userErrors: [GONE] } : accepts(run))
    expect(await many.retry({ status: ['FAILED'] })).toMatchObject({ matched: 3, accepted: 2, userErrors: [] })
  })
})

describe('cancel', () => {
  it('ends those that have not ended, whatever they do', async () => {
    const [queued, paused, running] = (['QUEUED', 'PAUSED', 'RUNNING'] as const).map((status) => runs.add({ status }))
    add(1, 'PARTIAL')
    const outcome = await many.cancel({ kind: ['COMPUTE'] })
    expect(outcome).toMatchObject({ matched: 4, accepted: 3, userErrors: [] })
    expect(idsOf(outcome.runs)).toEqual([queued, paused, running].map((run) => run!.id))
    expect(await many.cancel({ status: ['QUEUED', 'RUNNING', 'CANCELLED'] })).toMatchObject({ matched: 3, accepted: 0 })
  })

  it('does so side by side: one that takes long holds up none of the others', async () => {
    const found = add(400, 'RUNNING')
    const quickly = cancel
    let end = () => {}
    cancel = async (key) => {
      if (key === found[0]!.key) await new Promise<void>((resolve) => (end = resolve))
      return quickly(key)
    }
    const cancelling = many.cancel({ kind: ['COMPUTE'] })
    while (runs.engine.view((await runs.store.run(found[399]!.key))!).record.status !== 'CANCELLED')
      await new Promise<void>((resolve) => setImmediate(resolve))
    expect((await runs.store.run(found[0]!.key))?.status).toBe('RUNNING')
    end()
    expect(await cancelling).toMatchObject({ matched: 400, accepted: 400 })
  })

  it('does not count what came to its end by itself', async () => {
    const [first] = add(3, 'RUNNING')
    const quickly = cancel
    cancel = async (key) => (key === first!.key ? { run: null, userErrors: [GONE] } : quickly(key))
    expect(await many.cancel({ status: ['RUNNING'] })).toMatchObject({ matched: 3, accepted: 2, userErrors: [] })
  })

  it('tells of a fault when the others have ended', async () => {
    const found = add(3, 'RUNNING')
    const quickly = cancel
    cancel = async (key) => {
      if (key === found[0]!.key) throw new Error('the disk cannot be read')
      return quickly(key)
    }
    await expect(many.cancel({ status: ['RUNNING'] })).rejects.toThrow('the disk cannot be read')
    expect((await runs.store.run(found[2]!.key))?.status).toBe('CANCELLED')
  })
})
