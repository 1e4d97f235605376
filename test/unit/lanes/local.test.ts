import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { BlockBuilder } from '../../../src/lanes/block.js'
import type { Carrier } from '../../../src/lanes/carrier.js'
import type { InService } from '../../../src/lanes/lane.js'
import { LocalLane } from '../../../src/lanes/local.js'
import type { ToLane } from '../../../src/lanes/messages.js'
import type { ResultBlock } from '../../../src/lanes/protocol.js'
import { computeJob, grantOf, Listener } from '../../support/lanes.js'

/** A carrier that carries nothing. */
function setUp() {
  const sent: ToLane[] = []
  const state = { inService: [] as InService[], ends: 0 }
  const carrier: Carrier = {
    slate: { prepare: () => null, read: () => [...state.inService], close: () => {} },
    memoryMb: () => null,
    ownMemoryMb: async () => null,
    send: (message) => void sent.push(message),
    end: () => {
      state.ends += 1
    },
  }
  const lane = new LocalLane('thread-1', 'THREAD', carrier)
  return { lane, state, sent, kinds: () => sent.map(({ kind }) => kind) }
}

function blockOf(job: number, outcomes: Outcome[]): ResultBlock {
  const block = new BlockBuilder(false)
  outcomes.forEach((outcome, index) => {
    const times = { index, attempt: 1, startedAt: 0, serviceMs: 0, cpuMs: Number.NaN }
    block.add(times, { outcome, output: null, error: null, retryAfterMs: null, fetch: null })
  })
  return { job, columns: block.take(), laneCpuMs: 0, reduction: null }
}

const task = { index: 1, attempt: 1, startedAt: 5, progress: null }

describe('LocalLane', () => {
  it('counts what it owes and what was done', () => {
    const { lane } = setUp()
    const job = computeJob()
    const listener = new Listener()
    lane.open(job, listener)
    lane.grant(grantOf([1, 2, 3]))
    expect(lane.outstanding).toBe(3)
    const block = blockOf(job.job, [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.NOT_STARTED])
    lane.receive({ kind: 'results', block, strays: 0 })
    expect(lane.outstanding).toBe(0)
    expect(lane.tasksDone).toBe(2)
    expect(listener.blocks).toEqual([block])
  })

  it('is clean when no stray is left', () => {
    const { lane } = setUp()
    const job = computeJob()
    lane.open(job, new Listener())
    lane.receive({ kind: 'results', block: blockOf(job.job, []), strays: 2 })
    expect(lane.isClean).toBe(false)
    lane.receive({ kind: 'settled' })
    expect(lane.isClean).toBe(true)
  })

  it('dies once, with what was in service then', async () => {
    const { lane, state } = setUp()
    const listener = new Listener()
    lane.open(computeJob(), listener)
    state.inService = [task]
    lane.die({ outOfMemory: true, message: 'needed more than 5 MB' })
    state.inService = []
    const error = { code: 'OUT_OF_MEMORY' as const, message: 'thread-1 needed more than 5 MB', retryable: false }
    expect(listener.deaths).toEqual([{ error, inService: [task], rowsBefore: 0 }])
    expect(lane.inService()).toEqual([task])
  })

  it('tells a death that came before the job to the job', async () => {
    const { lane, sent } = setUp()
    lane.die({ outOfMemory: false, message: 'exited with code 1' })
    const listener = new Listener()
    lane.open(computeJob(), listener)
    expect(listener.deaths).toEqual([])
    const { error } = await listener.untilDeath()
    expect(error).toEqual({ code: 'LANE_DIED', message: 'thread-1 exited with code 1', retryable: true })
    expect(sent).toEqual([])
  })

  it.each([
    ['by the server', (lane: LocalLane) => lane.kill(), 'thread-1 was ended by the server'],
    [
      'by a fault',
      (lane: LocalLane) => lane.receive({ kind: 'fault', author: null, message: 'TypeError: x' }),
      'thread-1 ended with an error that no task caught: TypeError: x',
    ],
    ['by itself', () => {}, 'thread-1 exited with code 9'],
  ])('says that it was ended %s', (_, act, message) => {
    const { lane } = setUp()
    const listener = new Listener()
    lane.open(computeJob(), listener)
    act(lane)
    lane.die({ outOfMemory: false, message: 'exited with code 9' })
    expect(listener.deaths[0]!.error).toEqual({ code: 'LANE_DIED', message, retryable: true })
  })

  describe('.probe()', () => {
    it('ends a lane that has nothing in service and does not answer', () => {
      const { lane, state, kinds } = setUp()
      const listener = new Listener()
      lane.open(computeJob(), listener)
      lane.probe()
      expect(kinds()).toEqual(['open', 'probe'])
      expect(state.ends).toBe(0)
      lane.probe()
      expect(state.ends).toBe(1)
      lane.die({ outOfMemory: false, message: 'exited with code 1' })
      expect(listener.deaths[0]!.error.message).toBe('thread-1 stopped answering')
    })

    it('is content with any word from the lane', () => {
      const { lane, state, kinds } = setUp()
      for (let probes = 0; probes < 3; probes += 1) {
        lane.probe()
        lane.receive({ kind: 'alive' })
      }
      expect(state.ends).toBe(0)
      expect(kinds()).toEqual(['probe', 'probe', 'probe'])
    })

    it('leaves a lane alone that has a task in service, however long', () => {
      const { lane, state, kinds } = setUp()
      lane.probe()
      state.inService = [task]
      lane.probe()
      state.inService = []
      lane.probe()
      expect(state.ends).toBe(0)
      expect(kinds()).toEqual(['probe', 'probe'])
    })
  })
})

describe('LocalLane.prepare', () => {
  const works = [{ kind: 'COMPUTE' as const, function: 'act' }]

  it('resolves when the lane says that it is', async () => {
    const { lane, sent } = setUp()
    const prepared = lane.prepare(works)
    expect(sent).toEqual([{ kind: 'prepare', works }])
    lane.receive({ kind: 'prepared' })
    await expect(prepared).resolves.toBeUndefined()
    // Its end is nobody's business who has waited.
    lane.die({ outOfMemory: false, message: 'exited with code 1' })
  })

  it('rejects where the lane ends meanwhile, or has ended', async () => {
    const { lane } = setUp()
    const prepared = lane.prepare(works)
    lane.die({ outOfMemory: false, message: 'exited with code 1' })
    await expect(prepared).rejects.toThrow('thread-1 exited with code 1')
    await expect(lane.prepare(works)).rejects.toThrow('thread-1 exited with code 1')
  })
})
