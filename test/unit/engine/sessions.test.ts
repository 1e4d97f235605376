import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { LaneSession } from '../../../src/engine/session.js'
import { Sessions } from '../../../src/engine/sessions.js'
import { ManualClock } from '../../support/clock.js'
import { FakeLane } from '../../support/fake-lanes.js'

function setup(lanes: number, slots = 2) {
  const clock = new ManualClock()
  const released: string[] = []
  const state = { mayStay: true }
  const sessions = new Sessions({
    mayStay: (session) => state.mayStay && !session.retiring,
    release: (lane) => void released.push(lane.name),
  })
  const add = () => {
    const ordinal = sessions.freeOrdinal
    const lane = new FakeLane(`thread-${ordinal}`, 'THREAD', () => clock.epochMs())
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
  }
  const grant = ({ session }: { session: LaneSession }, first: number, count: number) => {
    session.grant({ first, count, indexes: null, attempts: null, inputs: null })
  }
  return { clock, sessions, released, state, add, grant, held: Array.from({ length: lanes }, add) }
}

describe('Sessions', () => {
  it('counts what its lanes have, may have, and do', () => {
    const { sessions, held, grant } = setup(3)
    grant(held[0]!, 0, 5)
    held[1]!.session.filling = 1
    expect([sessions.size, sessions.busy, sessions.running, sessions.claimed]).toEqual([3, 2, 2, 3])
  })

  it('gives each lane the lowest ordinal that is free', () => {
    const { sessions, held, add } = setup(3)
    sessions.remove(held[1]!.session)
    expect([add().session.ordinal, add().session.ordinal]).toEqual([1, 3])
  })

  it('lets go of lanes with nothing to do that may not stay, once', () => {
    const { sessions, held, grant, state, released } = setup(2)
    grant(held[1]!, 0, 1)
    sessions.settleAll()
    expect(released).toEqual([])
    state.mayStay = false
    sessions.settleAll()
    sessions.settle(held[0]!.session)
    sessions.remove(held[0]!.session)
    expect(released).toEqual(['thread-0'])
    held[1]!.lane.end([0], () => ({ outcome: Outcome.SUCCEEDED }))
    sessions.settleAll()
    expect(released).toEqual(['thread-0', 'thread-1'])
  })

  it('retires the newest lanes, as soon as they have nothing to do, and as many as were last asked for', () => {
    const { clock, sessions, held, grant, released } = setup(3)
    for (const [at, one] of held.entries()) grant(one, at * 10, 1)
    sessions.retire(2, clock.epochMs())
    expect(held.map(({ session }) => session.retiring)).toEqual([false, true, true])
    sessions.retire(1, clock.epochMs())
    expect(held.map(({ session }) => session.retiring)).toEqual([false, false, true])
    for (const { lane, session } of held) {
      lane.end([0], () => ({ outcome: Outcome.SUCCEEDED }))
      sessions.settle(session)
    }
    expect(released).toEqual(['thread-2'])
  })

  it('retires lanes with nothing to do before those that have something, the newest first', () => {
    const { clock, sessions, held, grant, released } = setup(4)
    grant(held[1]!, 0, 1)
    grant(held[3]!, 10, 1)
    sessions.retire(1, clock.epochMs())
    expect(released).toEqual(['thread-2'])
    expect(sessions.size).toBe(3)
    sessions.retire(2, clock.epochMs())
    expect(released).toEqual(['thread-2', 'thread-0'])
    expect([held[1], held[3]].map((one) => one?.session.retiring)).toEqual([false, true])
  })

  it('calls back what a lane was handed ahead that is to go back', () => {
    const { clock, sessions, held, grant } = setup(2)
    for (const one of held) grant(one, 0, 3)
    sessions.retire(1, clock.epochMs())
    expect(held.map(({ lane }) => lane.recalled)).toEqual([false, true])
    held[1]!.lane.recalled = false
    sessions.retire(1, clock.epochMs())
    expect(held[1]!.lane.recalled).toBe(false)
  })

  it('has another lane go as well where one has a long task, and the other stay once one of them has gone', () => {
    const { clock, sessions, held, grant, released, state } = setup(3, 1)
    for (const [at, one] of held.entries()) grant(one, at * 10, 3)
    clock.advance(150)
    for (const { lane } of held.slice(0, 2)) lane.end([0], () => ({ outcome: Outcome.SUCCEEDED }))
    sessions.retire(1, clock.epochMs())
    expect(held.map(({ session }) => session.retiring)).toEqual([false, true, true])
    expect(held.map(({ lane }) => lane.recalled)).toEqual([false, true, true])
    state.mayStay = false
    held[1]!.lane.end([0, 1], () => ({ outcome: Outcome.SUCCEEDED }))
    sessions.settle(held[1]!.session)
    expect(released).toEqual(['thread-1'])
    sessions.retire(0, clock.epochMs())
    expect(held[2]!.session.retiring).toBe(false)
  })

  it('counts the slots that lanes leave free which have something to do and stay', () => {
    const { sessions, held, grant } = setup(4, 4)
    grant(held[0]!, 0, 1)
    held[1]!.session.filling = 6
    grant(held[2]!, 10, 2)
    expect(sessions.freeSlots).toBe(5)
    held[2]!.session.retiring = true
    expect(sessions.freeSlots).toBe(3)
  })

  it('tells what is in service, in milliseconds after the start of the run', () => {
    const { sessions, held, grant, clock } = setup(2)
    const runStartedAt = clock.epochMs()
    clock.advance(250)
    grant(held[0]!, 7, 1)
    expect(sessions.inFlight(0, runStartedAt)).toEqual([
      { stage: 0, index: 7, attempt: 1, lane: 'thread-0', startedMs: 250, progress: null },
    ])
    expect(sessions.inFlight(0, clock.epochMs() + 1)[0]?.startedMs).toBe(0)
  })
})
