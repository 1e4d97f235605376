import { describe, expect, it } from 'vitest'
import type { BatchSpec, Json } from '../../../src/domain/batch.js'
import type { TaskError } from '../../../src/domain/errors.js'
import { IndexSet } from '../../../src/domain/indexset.js'
import { planExecution } from '../../../src/domain/strategy.js'
import { Granter } from '../../../src/engine/granter.js'
import { PendingItems } from '../../../src/engine/pending.js'
import { SecludingSupply } from '../../../src/engine/secluding-supply.js'
import { LaneSession } from '../../../src/engine/session.js'
import { Sessions } from '../../../src/engine/sessions.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, COMPUTE, columnsOf, FETCH } from '../../support/engine-parts.js'
import { FakeLane } from '../../support/fake-lanes.js'

interface Setup extends Partial<BatchSpec> {
  items?: number
  lanes?: number
  fetchRoom?: () => number
  isScarce?: boolean
  read?: (indexes: readonly number[]) => Promise<Map<number, Json>>
  ended?: number[]
}

function setup({ items = 1000, lanes = 1, fetchRoom, isScarce = false, read, ended = [], ...changes }: Setup = {}) {
  const clock = new ManualClock()
  const source = changes.source ?? { kind: 'range' as const, from: 0, to: items, step: 1, count: items }
  const spec = batchSpec({ lanes, ...changes, source })
  const kind = spec.stages[0]!.kind
  const { strategy, concurrency } = spec
  const plan = planExecution({ kind, strategy, concurrency, lanes, items, defaultLanes: 1, maxInFlight: 256 })
  const set = new IndexSet(items)
  for (const index of ended) set.add(index)
  const pending = new SecludingSupply(new PendingItems(items, set))
  const sessions = new Sessions({ mayStay: () => true, release() {} })
  const log: string[] = []
  const state = { mayGrant: true }
  const granter = new Granter({
    stage: spec.stages[0]!,
    concurrency,
    inputs:
      source.kind === 'list' || source.kind === 'file'
        ? { read: (indexes) => read!(indexes), isPartial: source.kind === 'file' }
        : null,
    plan,
    pending,
    clock,
    sessions,
    lends: () => false,
    fetchRoom: () => ({ room: fetchRoom?.() ?? 256 - sessions.claimed, isScarce }),
    mayGrant: () => state.mayGrant,
    onFilled: () => void log.push('filled'),
    onUnreadable: (error: TaskError) => void log.push(`unreadable: ${error.message}`),
  })
  const held = Array.from({ length: plan.lanes }, (_, ordinal) => {
    const lane = new FakeLane(`thread-${ordinal}`, 'THREAD', () => clock.epochMs())
    const slots = Math.ceil(plan.concurrency / plan.lanes)
    const work = { kind: 'COMPUTE' as const, function: 'any', reduce: null }
    const job = {
      job: 1,
      work,
      source: null,
      takesOver: false,
      handsOver: null,
      slots,
      timeoutMs: null,
      maxOutputBytes: 1000,
      tellsWaiting: false,
      isAwaited: false,
    }
    const session = new LaneSession(lane, ordinal, job, {
      clock,
      listener: { onResults() {}, onWaiting() {}, onDeath() {} },
    })
    sessions.add(session)
    return { lane, session }
  })
  const fill = (at = 0) => {
    granter.fill(held[at]!.session)
    return held[at]!.lane.grants.map(({ count }) => count)
  }
  return { clock, pending, granter, held, fill, log, state }
}

async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('Granter, computes', () => {
  it('begins with one at a time, and hands out what fits once it knows how long they take', () => {
    const { granter, fill, held } = setup()
    expect(fill()).toEqual([1])
    expect(fill()).toEqual([1])
    granter.observe(columnsOf([{ index: 0, serviceMs: 0.01 }]))
    held[0]!.lane.end([0], () => ({ outcome: 0 }))
    // Four times as many, and as many again ahead.
    expect(fill()).toEqual([1, 8])
  })

  it('hands nothing out ahead of long tasks', () => {
    const { granter, fill, held } = setup()
    fill()
    granter.observe(columnsOf([{ index: 0, serviceMs: 500 }]))
    held[0]!.lane.end([0], () => ({ outcome: 0 }))
    expect(fill()).toEqual([1, 1])
  })

  it('keeps the chunk size that was asked for', () => {
    expect(setup({ stages: [{ ...COMPUTE, chunkSize: 300 } as typeof COMPUTE] }).fill()).toEqual([300])
  })

  it('fills all slots of an asynchronous lane', () => {
    expect(setup({ strategy: 'ASYNC' }).fill()).toEqual([16])
  })

  it('learns nothing from what was not started', () => {
    const { granter, fill } = setup()
    granter.observe(columnsOf([{ index: 0, outcome: 3, serviceMs: 0 }]))
    expect(fill()).toEqual([1])
  })
})

describe('Granter, fetches', () => {
  const fetches: Setup = { stages: [FETCH], strategy: 'ASYNC', concurrency: 8 }

  it('fills the slots and half as many ahead, while there are enough', () => {
    expect(setup(fetches).fill()).toEqual([12])
    expect(setup({ ...fetches, items: 8 }).fill()).toEqual([8])
  })

  it('hands out ahead what a lane ends in 80 ms, and at most 64 for each slot', () => {
    for (const [serviceMs, ahead] of [
      [0.1, 512],
      [10, 64],
      [40, 16],
      [500, 4],
    ] as const) {
      const { granter, fill } = setup(fetches)
      granter.observe(columnsOf([{ index: 0, serviceMs }]))
      expect(fill()).toEqual([8 + ahead])
    }
  })

  it('hands several lanes nothing out ahead of long ones, or before it knows how long they take', () => {
    const several: Setup = { ...fetches, strategy: 'THREADS', lanes: 2 }
    expect(setup(several).fill()).toEqual([4])
    for (const [serviceMs, ahead] of [
      [500, 0],
      [40, 8],
      [10, 32],
    ] as const) {
      const { granter, fill } = setup(several)
      granter.observe(columnsOf([{ index: 0, serviceMs }]))
      expect(fill()).toEqual([4 + ahead])
    }
  })

  it('hands nothing out ahead while others wait', () => {
    expect(setup({ ...fetches, isScarce: true, fetchRoom: () => 8 }).fill()).toEqual([8])
    expect(setup({ ...fetches, isScarce: true, fetchRoom: () => 100 }).fill()).toEqual([8])
  })

  it('keeps to the room that it has, and takes nothing where it has too much', () => {
    expect(setup({ ...fetches, fetchRoom: () => 3 }).fill()).toEqual([3])
    expect(setup({ ...fetches, fetchRoom: () => 0 }).fill()).toEqual([])
    expect(setup({ ...fetches, fetchRoom: () => -2 }).fill()).toEqual([])
  })

  it('spreads what it may have evenly over its lanes', () => {
    const { fill, held } = setup({ ...fetches, strategy: 'THREADS', concurrency: 32, lanes: 4, fetchRoom: () => 8 })
    expect(held).toHaveLength(4)
    expect(fill(0)).toEqual([2])
  })

  it('fills the slots from what is scattered, too', () => {
    const ended = Array.from({ length: 50 }, (_, at) => 2 * at)
    const { fill, held } = setup({ ...fetches, items: 100, ended })
    fill()
    expect(held[0]!.lane.held.map(({ index }) => index).slice(0, 4)).toEqual([1, 3, 5, 7])
    expect(held[0]!.lane.held).toHaveLength(12)
  })
})

describe('Granter, items of a list', () => {
  const list: Setup = { source: { kind: 'list', form: 'inputs', count: 3 }, items: 3, strategy: 'ASYNC' }
  const readAll = async (indexes: readonly number[]) =>
    new Map(indexes.map((index) => [index, `item ${index}` as Json]))

  it('hands them out when they have been read; until then they are neither pending nor granted', async () => {
    const { fill, held, granter, pending, log } = setup({ ...list, read: readAll })
    expect(fill()).toEqual([])
    expect([pending.size, granter.reading, held[0]!.session.claimed, held[0]!.session.idle]).toEqual([0, 3, 3, false])
    await settle()
    expect(held[0]!.lane.held.map(({ input }) => input)).toEqual(['item 0', 'item 1', 'item 2'])
    expect([granter.reading, held[0]!.session.claimed, log]).toEqual([0, 3, ['filled']])
  })

  it('keeps their order where one answer does not hold them all, as lines of a file may be long', async () => {
    const source = { kind: 'file' as const, form: 'inputs' as const, name: null, bytes: 9, sha256: '', count: 9 }
    const firstTwo = (indexes: readonly number[]) => readAll(indexes.slice(0, 2))
    const { fill, held, pending } = setup({ source, items: 9, strategy: 'ASYNC', stages: [FETCH], read: firstTwo })
    fill()
    await settle()
    expect(held[0]!.lane.held.map(({ index }) => index)).toEqual([0, 1])
    expect(pending.take(9)?.indexes).toEqual([2, 3, 4, 5, 6, 7, 8])
  })

  it('takes them back where the lane may not have them any more', async () => {
    const { fill, held, pending, state } = setup({ ...list, read: readAll })
    fill()
    state.mayGrant = false
    await settle()
    expect([pending.ready, held[0]!.lane.held, held[0]!.session.idle]).toEqual([3, [], true])
  })

  it('remembers methods other than GET', async () => {
    const read = async () =>
      new Map<number, Json>([
        [0, { url: 'http://a.example/', method: 'POST', headers: [], body: null }],
        [1, 'http://a.example/'],
        [2, { url: 'http://a.example/', method: 'GET', headers: [], body: null }],
      ])
    const { fill, granter } = setup({ ...list, stages: [FETCH], read })
    fill()
    await settle()
    expect([0, 1, 2].map((index) => granter.methodOf(index))).toEqual(['POST', 'GET', 'GET'])
  })

  it('remembers them of what was read before it was handed out, too', () => {
    const { fill, granter, pending, held } = setup({ ...list, stages: [FETCH] })
    const inputs = [{ url: 'http://a.example/', method: 'POST', headers: [], body: null }, 'http://a.example/']
    pending.take = () => ({ first: 2, count: 2, indexes: [2, 1], attempts: [1, 1], inputs })
    fill()
    expect([1, 2].map((index) => granter.methodOf(index))).toEqual(['GET', 'POST'])
    expect(held[0]!.lane.held.map(({ input }) => input)).toEqual(inputs)
  })

  it('reads again what could not be read, and gives up after ten seconds', async () => {
    const read = async () => Promise.reject(new Error('the disk cannot be read'))
    const { fill, clock, pending, log, granter } = setup({ ...list, read })
    for (let ms = 0; ms < 10_000; ms += 500) {
      fill()
      await settle()
      expect([pending.ready, pending.size, granter.reading]).toEqual([0, 3, 0])
      clock.advance(500)
      pending.release(clock.monotonicMs())
    }
    expect(log).not.toContain('unreadable: the items could not be read: the disk cannot be read')
    fill()
    await settle()
    expect(log).toContain('unreadable: the items could not be read: the disk cannot be read')
  })
})

describe('Granter, fetches that start when they are handed out', () => {
  it('hands out what there are free slots for, and to a lane that wakes up no more than one time', async () => {
    const { held, fill, pending, clock, log } = setup({ stages: [FETCH], strategy: 'ASYNC', concurrency: 8 })
    const [lane] = held
    Object.defineProperty(pending, 'mayWaitInLane', { value: false })
    const started: number[] = []
    pending.started = (starts?: { indexes: Float64Array }) => void started.push(...(starts?.indexes ?? []))
    lane!.lane.inService = () => []
    expect(fill()).toEqual([8])
    lane!.lane.end([0, 1], () => ({ outcome: 3 }))
    expect(fill()).toEqual([8, 2])
    const fresh = setup({ stages: [FETCH], strategy: 'ASYNC', concurrency: 8, fetchRoom: () => 1 })
    Object.defineProperty(fresh.pending, 'mayWaitInLane', { value: false })
    fresh.pending.started = pending.started
    const { lane: asleep } = fresh.held[0]!
    const inService = asleep.inService.bind(asleep)
    asleep.inService = () => []
    expect([fresh.fill(), fresh.fill(), fresh.fill()]).toEqual([[1], [1], [1]])
    asleep.inService = inService
    fresh.clock.advance(5)
    expect([fresh.log, started]).toEqual([['filled'], [0]])
    expect(fresh.fill()).toEqual([1, 1])
    expect([clock.nextDueMs, log]).toEqual([null, []])
  })
})
