import { describe, expect, it } from 'vitest'
import type { BatchSpec, StageSpec } from '../../../src/domain/batch.js'
import { Outcome, type ResultColumns } from '../../../src/domain/results.js'
import { FLOW, GATED_FLOW } from '../../../src/engine/flow.js'
import { NOTHING_RECOVERED, StageItems, type StageRecovery } from '../../../src/engine/stage-items.js'
import type { HandedOver } from '../../../src/store/store.js'
import { ManualClock } from '../../support/clock.js'
import {
  batchSpec,
  COMPUTE,
  columnsOf,
  FETCH,
  type ReportedTask,
  runRecord,
  STARTED_AT,
} from '../../support/engine-parts.js'
import { hostUser, ownHosts } from '../../support/hosts.js'
import { setOf } from '../../support/index-sets.js'
import { outputColumn } from '../../support/outputs.js'

const DEDUPE: StageSpec = { ...FETCH, fetch: { ...(FETCH as { fetch: object }).fetch, dedupe: true } } as StageSpec

interface Setup {
  stages: StageSpec[]
  stage?: number
  recovery?: StageRecovery
  source?: BatchSpec['source']
  /** What the stage before has given, by index. */
  stored?: (index: number) => string
}

function setup({ stages, stage = stages.length - 1, recovery = NOTHING_RECOVERED, source, stored }: Setup) {
  const clock = new ManualClock()
  const asked: { place: unknown; indexes: readonly number[] }[] = []
  const shared: ResultColumns[] = []
  const spec = batchSpec({ kind: 'PIPELINE', stages, ...(source && { source }) })
  const record = runRecord({ spec })
  const items = new StageItems({
    record,
    stage,
    recovery,
    store: {
      items: async (_run, indexes) => new Map(indexes.map((index) => [index, `item ${index}`])),
      task: async (_run, _stage, index) =>
        ({ index, status: 'SUCCEEDED', output: '"known"', error: null, fetch: null }) as never,
      handedOver: async (place, indexes) => {
        asked.push({ place, indexes })
        return indexes.map((index): HandedOver => ({ index, text: stored!(index), readyMs: 5 }))
      },
    },
    runStartedAt: () => STARTED_AT,
    inService: () => 2,
    concurrency: 64,
    clock,
    isFull: () => false,
    hosts: ownHosts(clock),
    user: hostUser(),
    recall: () => {},
    onEnded: (columns) => void shared.push(columns),
    onChanged: () => {},
    onUnreadable: (error) => {
      throw new Error(error.message)
    },
  })
  return { items, asked, shared, record, clock }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('the items of a first stage', () => {
  it('are the source, and always have room', async () => {
    const { items } = setup({ stages: [COMPUTE, COMPUTE], stage: 0 })
    expect(items.room).toBe(Number.POSITIVE_INFINITY)
    expect(items.readyAts(columnsOf([{ index: 1 }]))).toBeNull()
    expect(items.inputs).toBeNull()
    expect(items.supply.take(3)).toMatchObject({ first: 0, count: 3 })
  })

  it('are read where the lanes do not know them', async () => {
    const { items } = setup({ stages: [FETCH, COMPUTE], stage: 0, source: { kind: 'list', form: 'urls', count: 3 } })
    expect(items.inputs?.isPartial).toBe(false)
    expect(await items.inputs?.read([2])).toEqual(new Map([[2, 'item 2']]))
  })

  it('go on after a restart without those that have ended', () => {
    const recovery = { ...NOTHING_RECOVERED, ended: setOf(100, [0, 1]) }
    const { items } = setup({ stages: [COMPUTE, COMPUTE], stage: 0, recovery })
    expect(items.supply.take(1)).toMatchObject({ first: 2 })
    expect(items.supply.size).toBe(97)
  })
})

describe('the items of a later stage', () => {
  it('are what has succeeded in the one before, with what it gave', () => {
    const { items } = setup({ stages: [COMPUTE, COMPUTE] })
    const error = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
    const tasks: ReportedTask[] = [
      { index: 4, output: '"four"', startedMs: 10, serviceMs: 3 },
      { index: 2, error },
      { index: 3, output: '"again"' },
      { index: 9, outcome: Outcome.CANCELLED },
      { index: 1, output: '"one"', startedMs: 20, serviceMs: 1 },
    ]
    expect(items.supply.take(10)).toBeNull()
    items.takeOver(columnsOf(tasks), new Set([2]), STARTED_AT + 99)
    expect(items.supply.size).toBe(2)
    expect(items.supply.take(10)).toEqual({
      first: 4,
      count: 2,
      indexes: [4, 1],
      attempts: null,
      inputs: ['"four"', '"one"'],
    })
    expect(items.readyAts(columnsOf([{ index: 1 }, { index: 4 }]))).toEqual(
      Float64Array.of(STARTED_AT + 21, STARTED_AT + 13),
    )
  })

  it('are ready when they were told of, where they never started in the one before', () => {
    const { items } = setup({ stages: [DEDUPE, COMPUTE] })
    const columns = columnsOf([{ index: 7, attempt: 0, output: '1' }])
    items.takeOver({ ...columns, startedAt: Float64Array.of(0) }, null, STARTED_AT + 99)
    expect(items.readyAts(columnsOf([{ index: 7 }]))).toEqual(Float64Array.of(STARTED_AT + 99))
  })

  it('come with what lanes have taken out of the outputs', () => {
    const { items } = setup({ stages: [COMPUTE, { ...COMPUTE, from: '/a' }] })
    const columns = columnsOf([
      { index: 0, output: '{"a":1}' },
      { index: 1, output: '{"a":2}' },
    ])
    // The second one is told by nobody: it is taken out here.
    items.takeOver({ ...columns, handedOver: outputColumn(['"told"', null]) }, null, STARTED_AT)
    expect(items.supply.take(2)?.inputs).toEqual(['"told"', '2'])
  })

  it('are requests where it fetches, or why there is none', async () => {
    const { items } = setup({ stages: [COMPUTE, { ...FETCH, from: '/url' }] })
    items.takeOver(
      columnsOf([
        { index: 0, output: '{"url":"http://a.example/"}' },
        { index: 1, output: '{}' },
      ]),
      null,
      STARTED_AT,
    )
    items.supply.start()
    await turns(4)
    expect(items.supply.take(2)?.inputs).toEqual([
      'http://a.example/',
      {
        url: '',
        method: 'GET',
        headers: [],
        body: null,
        problem: '"/url" points at nothing in what the stage before gave',
      },
    ])
  })

  it('are read from the disk where they had come before a restart', async () => {
    const recovery = { ...NOTHING_RECOVERED, ended: setOf(100, [1]), arrived: setOf(100, [1, 5, 6]) }
    const { items, asked, record } = setup({
      stages: [COMPUTE, COMPUTE],
      recovery,
      stored: (index) => `"stored ${index}"`,
    })
    expect(items.supply.size).toBe(2)
    const batch = items.supply.take(10)!
    expect([batch.indexes, batch.inputs]).toEqual([[5, 6], undefined])
    expect(await items.inputs?.read(batch.indexes!)).toEqual(
      new Map([
        [5, '"stored 5"'],
        [6, '"stored 6"'],
      ]),
    )
    const link = { to: 'COMPUTE', from: '', givesDetail: false }
    expect(asked).toEqual([{ place: { runId: record.id, stage: 0, link }, indexes: [5, 6] }])
    expect(items.readyAts(columnsOf([{ index: 5 }]))).toEqual(Float64Array.of(STARTED_AT + 5))
  })

  it('have less room the more of them have come, and have it again when they end', () => {
    const { items } = setup({ stages: [COMPUTE, COMPUTE] })
    expect(items.room).toBe(FLOW.items)
    items.takeOver(columnsOf([{ index: 0, output: '1' }]), null, STARTED_AT)
    expect(items.room).toBe(FLOW.items - 1)
    items.supply.take(1)
    expect(items.room).toBe(FLOW.items - 1)
    items.supply.ended(columnsOf([{ index: 0 }]), null)
    expect(items.room).toBe(FLOW.items)
    // Those of a busy host must not keep all others waiting.
    expect(setup({ stages: [COMPUTE, DEDUPE] }).items.room).toBe(GATED_FLOW.items)
  })

  it('are not kept from coming by those whose answers others are to have after a restart', async () => {
    const count = GATED_FLOW.items + 1_000
    const all = Array.from({ length: count }, (_, index) => index)
    const recovery = { ...NOTHING_RECOVERED, ended: setOf(count, all.slice(1)), arrived: setOf(count, all) }
    const source = { kind: 'range' as const, from: 0, to: count, step: 1, count }
    const stored = (index: number) => `"http://a.example/${index < 2 ? 0 : index}"`
    const { items, shared } = setup({ stages: [COMPUTE, DEDUPE], recovery, source, stored })
    expect(items.supply.size).toBe(1)
    items.supply.start()
    while (items.supply.size > 0) await turns(1)
    // Item 0 is the last one that is left, and had a leader: item 1.
    expect(shared.map(({ indexes }) => [...indexes])).toEqual([[0]])
    expect(items.room).toBe(GATED_FLOW.items)
  })
})
