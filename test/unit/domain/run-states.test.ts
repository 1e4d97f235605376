import { describe, expect, it } from 'vitest'
import { isFinalRunStatus, RunStatus } from '../../../src/domain/run.js'
import {
  assertTransition,
  canHappen,
  RUN_TRANSITIONS,
  RunEvent,
  statusesBefore,
} from '../../../src/domain/run-states.js'

const EVENTS = Object.values(RunEvent)

describe('the states of a run', () => {
  it.each(Object.values(RunStatus))('%s has a way out unless it is final', (status) => {
    expect(EVENTS.some((event) => canHappen(status, event))).toBe(!isFinalRunStatus(status))
  })

  it('can all be reached from QUEUED', () => {
    const reached = new Set<RunStatus>(['QUEUED'])
    for (const status of reached) for (const to of Object.values(RUN_TRANSITIONS[status]).flat()) reached.add(to)
    expect([...reached].sort()).toEqual(Object.values(RunStatus).sort())
  })

  it('can be cancelled and paused as long as they may go on', () => {
    expect(statusesBefore('cancel')).toEqual(['QUEUED', 'RUNNING', 'PAUSED'])
    expect(statusesBefore('pause')).toEqual(['QUEUED', 'RUNNING'])
    expect(statusesBefore('resume')).toEqual(['PAUSED'])
  })

  it('go by the table alone', () => {
    expect(() => assertTransition('RUNNING', 'pause', 'PAUSED')).not.toThrow()
    expect(() => assertTransition('PAUSED', 'pause', 'PAUSED')).toThrow(
      'a run that is PAUSED cannot become PAUSED by "pause"',
    )
    expect(() => assertTransition('SUCCEEDED', 'cancel', 'CANCELLED')).toThrow('a run that is SUCCEEDED')
    expect(() => assertTransition('RUNNING', 'end', 'CANCELLED')).toThrow('cannot become CANCELLED by "end"')
  })
})
