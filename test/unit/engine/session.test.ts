import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { type DeadLane, LaneSession } from '../../../src/engine/session.js'
import type { ResultBlock } from '../../../src/lanes/protocol.js'
import { ManualClock } from '../../support/clock.js'
import { FakeLane } from '../../support/fake-lanes.js'

const OK = { outcome: Outcome.SUCCEEDED }
const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }

function setup({ timeoutMs = null, slots = 1 }: { timeoutMs?: number | null; slots?: number } = {}) {
  const clock = new ManualClock()
  const lane = new FakeLane('thread-1', 'THREAD', () => clock.epochMs())
  const reported: number[][] = []
  const deaths: DeadLane[] = []
  const listener = {
    onResults: (_: LaneSession, { columns }: ResultBlock) => void reported.push([...columns.indexes]),
    onWaiting: () => {},
    onDeath: (_: LaneSession, death: DeadLane) => void deaths.push(death),
  }
  const work = { kind: 'COMPUTE' as const, function: 'any', reduce: null }
  const job = {
    job: 7,
    work,
    source: null,
    takesOver: false,
    handsOver: null,
    slots,
    timeoutMs,
    maxOutputBytes: 1000,
    tellsWaiting: false,
    isAwaited: false,
  }
  const session = new LaneSession(lane, 0, job, { clock, listener })
  const grant = (first: number, count: number) => {
    session.grant({ first, count, indexes: null, attempts: null, inputs: null })
  }
  return { clock, lane, reported, deaths, session, grant }
}

/** A killed lane dies a moment later. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('LaneSession', () => {
  it('knows what was granted and not reported, and what of it can be in service', () => {
    const { lane, session, grant, reported } = setup({ slots: 2 })
    expect(session.idle).toBe(true)
    grant(0, 3)
    expect([session.claimed, session.running, session.idle]).toEqual([3, 2, false])
    expect(session.inService().map(({ index }) => index)).toEqual([0, 1])
    expect(session.hasReported).toBe(false)
    lane.end([0, 2], () => OK)
    expect([session.claimed, session.running, session.hasReported]).toEqual([1, 1, true])
    lane.end([0], () => OK)
    expect(session.idle).toBe(true)
    expect(reported).toEqual([[0, 2], [1]])
  })

  it('is not idle while items are on their way to it', () => {
    const { session } = setup()
    session.filling = 2
    expect([session.claimed, session.running, session.idle]).toEqual([2, 0, false])
  })

  it('does not listen to results of another job', () => {
    const { lane, grant, session, reported } = setup()
    grant(0, 1)
    lane.job = { ...lane.job!, job: 6 }
    lane.end([0], () => OK)
    expect(reported).toEqual([])
    expect(session.claimed).toBe(1)
  })

  it('tells with its death what was in service, and what was not reported', () => {
    const { lane, deaths, session } = setup()
    session.grant({ first: 4, count: 2, indexes: [4, 9], attempts: [1, 3], inputs: null })
    lane.die(GONE)
    expect(deaths).toMatchObject([{ error: GONE, inService: [{ index: 4 }], killedFor: null }])
    expect([...deaths[0]!.unreported]).toEqual([
      [4, 1],
      [9, 3],
    ])
    expect(session.claimed).toBe(0)
  })

  it('leaves out of a death what had been reported: the slate of a dead lane may be late', () => {
    const { lane, deaths, grant } = setup()
    grant(0, 2)
    const late = lane.inService()
    lane.end([0], () => OK)
    lane.inService = () => late
    lane.die(GONE)
    expect(deaths[0]?.inService).toEqual([])
    expect([...deaths[0]!.unreported.keys()]).toEqual([1])
  })
})

describe('LaneSession, time limit', () => {
  it('ends the lane of a task that is past its limit and does not say so itself', async () => {
    const { clock, lane, deaths, grant, session } = setup({ timeoutMs: 1000 })
    grant(0, 2)
    clock.advance(1050)
    expect(lane.killed).toBe(false)
    clock.advance(250)
    expect(lane.killed).toBe(true)
    expect(session.idle).toBe(false)
    await settle()
    expect(deaths).toMatchObject([{ killedFor: 'TIMEOUT', inService: [{ index: 0 }] }])
    expect(clock.nextDueMs).toBeNull()
  })

  it('counts the limit from the start of each task, not from its grant', () => {
    const { clock, lane, grant } = setup({ timeoutMs: 1000 })
    grant(0, 3)
    for (let task = 0; task < 3; task += 1) {
      clock.advance(900)
      expect(lane.killed).toBe(false)
      lane.end([0], () => OK)
    }
    expect(clock.nextDueMs).toBeNull()
  })

  it('looks often enough for short limits, and rarely for long ones', () => {
    const short = setup({ timeoutMs: 20 })
    short.grant(0, 1)
    expect(short.clock.nextDueMs).toBe(10)
    const long = setup({ timeoutMs: 86_400_000 })
    long.grant(0, 1)
    expect(long.clock.nextDueMs).toBe(250)
  })

  it('watches again after a pause', () => {
    const { clock, lane, grant } = setup({ timeoutMs: 1000 })
    grant(0, 1)
    lane.end([0], () => OK)
    clock.advance(5000)
    grant(1, 1)
    clock.advance(1300)
    expect(lane.killed).toBe(true)
  })

  it('does not watch without a limit', () => {
    const { clock, grant } = setup()
    grant(0, 1)
    expect(clock.nextDueMs).toBeNull()
  })
})

describe('LaneSession, cancelling', () => {
  it('asks the lane, and leaves it alone once it has reported', () => {
    const { clock, lane, session, grant } = setup()
    grant(0, 2)
    session.cancel()
    expect(lane.cancelled).toBe(true)
    lane.end([0, 1], ({ startedAt }) => ({ outcome: startedAt === null ? Outcome.NOT_STARTED : Outcome.CANCELLED }))
    expect(session.idle).toBe(true)
    expect(clock.nextDueMs).toBeNull()
  })

  it('ends a lane that does not listen after half a second', async () => {
    const { clock, lane, session, grant, deaths } = setup()
    grant(0, 1)
    session.cancel()
    session.cancel()
    clock.advance(499)
    expect(lane.killed).toBe(false)
    clock.advance(1)
    expect(lane.killed).toBe(true)
    await settle()
    expect(deaths).toMatchObject([{ killedFor: 'CANCELLED' }])
    expect(clock.nextDueMs).toBeNull()
  })

  it('takes a death after it for the end that was asked for', () => {
    const { lane, session, grant, deaths, clock } = setup()
    grant(0, 1)
    session.cancel()
    lane.die(GONE)
    expect(deaths).toMatchObject([{ killedFor: 'CANCELLED' }])
    expect(clock.nextDueMs).toBeNull()
  })

  it('asks nothing of a lane that has nothing', () => {
    const { lane, session, clock } = setup()
    session.cancel()
    expect(lane.cancelled).toBe(false)
    expect(clock.nextDueMs).toBeNull()
  })
})

describe('LaneSession over a lane that has died on its way', () => {
  it('hears of it, and gives everything back', async () => {
    const clock = new ManualClock()
    const lane = new FakeLane('thread-1', 'THREAD', () => clock.epochMs())
    lane.dead = true
    const deaths: DeadLane[] = []
    const listener = {
      onResults: () => {},
      onWaiting: () => {},
      onDeath: (_: LaneSession, death: DeadLane) => void deaths.push(death),
    }
    const work = { kind: 'COMPUTE' as const, function: 'any', reduce: null }
    const job = {
      job: 1,
      work,
      source: null,
      takesOver: false,
      handsOver: null,
      slots: 1,
      timeoutMs: null,
      maxOutputBytes: 1000,
      tellsWaiting: false,
      isAwaited: false,
    }
    const session = new LaneSession(lane, 0, job, { clock, listener })
    session.grant({ first: 0, count: 2, indexes: null, attempts: null, inputs: null })
    await settle()
    expect([...deaths[0]!.unreported.keys()]).toEqual([0, 1])
  })
})
