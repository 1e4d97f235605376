import { describe, expect, it, vi } from 'vitest'
import { type LaneLoad, NO_LOAD } from '../../../src/domain/lane-load.js'
import { createFold } from '../../../src/domain/reduction.js'
import { Outbox, TURN_MS } from '../../../src/lanes/outbox.js'
import type { JobSpec, ResultBlock } from '../../../src/lanes/protocol.js'
import { computeJob } from '../../support/lanes.js'

// The lane keeps the clock that it began with: here it is to be the test's.
vi.mock('../../../src/lanes/now.js', () => ({ now: () => performance.now() }))

function setUp(options: { cpu?: () => number; load?: () => LaneLoad; sum?: boolean; spec?: JobSpec } = {}) {
  const blocks: ResultBlock[] = []
  let wake = () => {}
  const fold = options.sum ? createFold('SUM') : null
  const outbox = new Outbox({
    spec: options.spec ?? computeJob(),
    fold,
    cpu: options.cpu ?? null,
    load: options.load ?? (() => NO_LOAD),
    send: (block) => {
      blocks.push(block)
      wake()
    },
  })
  const add = (index: number) => {
    fold?.add(index)
    outbox.block.succeed({ index, attempt: 1, startedAt: 0, serviceMs: 0, cpuMs: Number.NaN }, String(index))
  }
  const sent = () =>
    new Promise<void>((resolve) => {
      wake = resolve
    })
  return { outbox, blocks, add, sent }
}

/** Past the results that go one by one. */
function warmUp({ outbox, blocks, add }: ReturnType<typeof setUp>): void {
  for (let index = 0; index < 32; index += 1) {
    add(index)
    outbox.flush()
  }
  blocks.length = 0
}

describe('Outbox', () => {
  it('sends what is gathered once, with the CPU time and the fold since the last block', () => {
    let cpuMs = 10
    const { outbox, blocks, add } = setUp({ cpu: () => cpuMs, sum: true })
    cpuMs = 13
    add(1)
    add(2)
    outbox.flush()
    outbox.flush()
    cpuMs = 14
    add(4)
    outbox.flush()
    expect(blocks.map(({ columns }) => [...columns.indexes])).toEqual([[1, 2], [4]])
    expect(blocks.map(({ laneCpuMs }) => laneCpuMs)).toEqual([3, 1])
    expect(blocks.map(({ reduction }) => reduction)).toEqual([
      { count: 2, value: '3' },
      { count: 1, value: '4' },
    ])
  })

  it('says with each block how busy the lane was since the last one', () => {
    let load: LaneLoad = { busyMs: 100, coreWaitMs: 7 }
    const { outbox, blocks, add } = setUp({ load: () => load })
    load = { busyMs: 130, coreWaitMs: 9 }
    add(1)
    outbox.flush()
    load = { busyMs: 131, coreWaitMs: null }
    add(2)
    outbox.flush()
    expect(blocks.map(({ laneLoad }) => laneLoad)).toEqual([
      { busyMs: 30, coreWaitMs: 2 },
      { busyMs: 1, coreWaitMs: null },
    ])
  })

  it('has the first results of a job go one by one, and later ones when a turn is over', () => {
    const box = setUp()
    expect(box.outbox.isDue(performance.now())).toBe(true)
    warmUp(box)
    const nowMs = performance.now()
    expect(box.outbox.isDue(nowMs - TURN_MS)).toBe(false)
    expect(box.outbox.isDue(nowMs + TURN_MS)).toBe(true)
  })

  it('is in a hurry again after a task that kept the event loop to itself', () => {
    const box = setUp()
    warmUp(box)
    const beforeMs = performance.now() - TURN_MS
    box.outbox.noteBusy(TURN_MS / 2)
    expect(box.outbox.isDue(beforeMs)).toBe(false)
    box.outbox.noteBusy(TURN_MS)
    expect(box.outbox.isDue(beforeMs)).toBe(true)
  })

  it('does not let large outputs pile up', () => {
    const box = setUp()
    warmUp(box)
    box.outbox.block.succeed(
      { index: 1, attempt: 1, startedAt: 0, serviceMs: 0, cpuMs: Number.NaN },
      'x'.repeat(1024 * 1024 + 1),
    )
    expect(box.outbox.isDue(performance.now() - TURN_MS)).toBe(true)
    box.outbox.flushSoon()
    expect(box.blocks).toHaveLength(1)
  })

  it('gathers for longer after a message of many, and next to nothing after one of few', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const box = setUp()
      warmUp(box)
      const waitedMs = (count: number) => {
        const begunMs = performance.now()
        for (let index = 0; index < count; index += 1) box.add(index)
        box.outbox.flushSoon()
        vi.advanceTimersToNextTimer()
        return performance.now() - begunMs
      }
      expect([16, 127, 128, 15, 1].map(waitedMs)).toEqual([2, 8, 8, 32, 2])
    } finally {
      vi.useRealTimers()
    }
  })

  it('keeps none back that a request to the same host waits for', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] })
    try {
      const waitedMs = (isAwaited: boolean) => {
        const box = setUp({ spec: computeJob({ isAwaited }) })
        warmUp(box)
        const begunMs = performance.now()
        box.add(1)
        box.outbox.flushSoon()
        vi.advanceTimersToNextTimer()
        expect(box.blocks).toHaveLength(1)
        return performance.now() - begunMs
      }
      expect([waitedMs(false), waitedMs(true)]).toEqual([2, 0])
    } finally {
      vi.useRealTimers()
    }
  })

  it('sends results that come together in one block, without being asked again', async () => {
    const box = setUp()
    warmUp(box)
    const sent = box.sent()
    for (const index of [7, 8, 9]) {
      box.add(index)
      box.outbox.flushSoon()
    }
    expect(box.blocks).toEqual([])
    await sent
    expect(box.blocks.map(({ columns }) => [...columns.indexes])).toEqual([[7, 8, 9]])
  })

  it('has nothing left to send after a flush that came first', async () => {
    const box = setUp()
    box.add(1)
    box.outbox.flushSoon()
    box.outbox.flush()
    box.outbox.flushSoon()
    await new Promise((resolve) => setImmediate(resolve))
    expect(box.blocks).toHaveLength(1)
  })
})
