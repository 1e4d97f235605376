import { describe, expect, it } from 'vitest'
import type { TaskError } from '../../../src/domain/errors.js'
import type { RunRecord } from '../../../src/domain/run.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { Meters } from '../../../src/engine/rate.js'
import { type Ending, RunStates } from '../../../src/engine/states.js'
import { MemoryEventBus } from '../../../src/events/memory.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, entryOf, runRecord } from '../../support/engine-parts.js'

const NEVER: TaskError = { code: 'FUNCTION_ERROR', message: 'no', retryable: false }

function setup(changes: Partial<RunRecord> = {}) {
  const clock = new ManualClock()
  const spec = batchSpec({ source: { kind: 'range', from: 0, to: 10, step: 1, count: 10 } })
  const status = changes.startedAt === null ? 'QUEUED' : 'RUNNING'
  const record = runRecord({ spec, status, startedAt: clock.now(), ...changes })
  const told: string[] = []
  const observed: number[] = []
  const bus = new MemoryEventBus()
  bus.runChanged = () => void told.push('run')
  bus.tasksCommitted = () => void told.push('tasks')
  const ledger = new Ledger(record, null)
  const meters = new Meters(clock, record)
  meters.start(record)
  const run = { running: 0, ending: null as Ending | null, ended: 0 }
  const states = new RunStates({
    record,
    ledger,
    meters,
    clock,
    bus,
    observer: { tasksEnded: (_stages, entries) => void observed.push(entries.length) },
    running: () => run.running,
    ending: () => run.ending,
    onEnded: () => {
      run.ended += 1
    },
  })
  return { clock, ledger, states, run, told, observed }
}

describe('RunStates', () => {
  it('tells who counts of what is on disk, once a commit', () => {
    const { states, observed } = setup()
    const entries = [entryOf([{ index: 0 }]), entryOf([{ index: 1 }])]
    states.handOver()
    states.handOver()
    states.advance(entries, 0)
    expect(observed).toEqual([])
    states.committed(entries)
    expect(observed).toEqual([2])
  })

  it('raises the sequence with each change, and tells of it', () => {
    const { states, run, told } = setup()
    const seen = [states.sequence]
    run.running = 2
    states.showRunning()
    seen.push(states.sequence)
    states.showRunning()
    expect(told).toEqual(['run'])
    const entries = [entryOf([{ index: 0 }])]
    const { state } = states.advance(entries, 0)
    // On its way to the disk, and not shown.
    expect(states.sequence).toBe(seen.at(-1))
    expect(state.sequence).toBeGreaterThan(seen.at(-1)!)
    run.running = 1
    states.showRunning()
    seen.push(states.sequence)
    states.committed(entries)
    seen.push(states.sequence)
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
    expect(seen.at(-1)).toBeGreaterThan(state.sequence)
    expect(told).toEqual(['run', 'run', 'tasks', 'run'])
  })

  it('tells of tasks only where there are new ones', () => {
    const { states, told } = setup()
    states.advance([], 0)
    states.committed([])
    expect(told).toEqual(['run'])
  })

  it('has nothing running before the start is on disk', () => {
    const { states, run, told, clock } = setup({ startedAt: null })
    states.enter('start', 'RUNNING')
    states.change({ startedAt: clock.now() })
    run.running = 2
    states.showRunning()
    expect([states.running, told]).toEqual([0, []])
    states.advance([], 0)
    states.committed([])
    expect([states.running, told]).toEqual([2, ['run']])
  })

  it('writes a change once', () => {
    const { states, clock } = setup({ startedAt: null })
    const startedAt = clock.now()
    states.enter('start', 'RUNNING')
    states.change({ startedAt })
    expect(states.advance([], 0).state).toMatchObject({ status: 'RUNNING', startedAt })
    expect(states.advance([], 0).state).toMatchObject({ status: 'RUNNING', startedAt })
  })

  it('ends with the last rows: everything is in that state, and it is the last that is shown', () => {
    const { states, run, clock } = setup()
    clock.advance(2000)
    run.ending = { failure: null, isCutShort: false, isCancelled: false }
    const entries = [entryOf(Array.from({ length: 10 }, (_, index) => ({ index })))]
    expect(states.advance(entries.slice(0, 0), 1).state.finishedAt).toBeNull()
    states.committed([])
    const shown = states.sequence
    const { state } = states.advance(entries, 0)
    expect(state).toMatchObject({ status: 'SUCCEEDED', finishedAt: clock.now(), finalThroughput: 5, failure: null })
    expect([states.isFinal, states.sequence, run.ended]).toEqual([true, shown, 0])
    states.committed(entries)
    expect([states.sequence, run.ended]).toEqual([state.sequence, 1])
    expect(state.sequence).toBeGreaterThan(shown)
  })

  it('counts as skipped what never ran, as failed what was cut short, and says why', () => {
    const { states, run, clock } = setup()
    clock.advance(1000)
    run.ending = { failure: NEVER, isCutShort: true, isCancelled: false }
    const { state } = states.advance([entryOf([{ index: 0 }, { index: 1, error: NEVER }])], 0)
    expect(state).toMatchObject({ status: 'FAILED', failure: NEVER, finalThroughput: 2 })
    expect(state.counts).toMatchObject({ total: 10, succeeded: 1, failed: 1, skipped: 8 })
  })
})
