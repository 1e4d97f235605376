/** The states of a run and the ways between them: whatever changes a status goes by this table, and docs/states.md draws it. */

import type { RunStatus } from './run.js'

export const RunEvent = {
  /** Its first lane is there. */
  START: 'start',
  PAUSE: 'pause',
  RESUME: 'resume',
  /** A cancellation has come to its end: nothing of the run is in service any more. */
  CANCEL: 'cancel',
  /** Everything has ended, or cannot go on. */
  END: 'end',
} as const
export type RunEvent = (typeof RunEvent)[keyof typeof RunEvent]

type Ways = Readonly<Partial<Record<RunEvent, readonly RunStatus[]>>>

/** Where each event leads from each status: an event that is not there is impossible. */
export const RUN_TRANSITIONS: Readonly<Record<RunStatus, Ways>> = {
  // A run that cannot be carried out at all fails before it starts.
  QUEUED: { start: ['RUNNING'], pause: ['PAUSED'], cancel: ['CANCELLED'], end: ['FAILED'] },
  RUNNING: { pause: ['PAUSED'], cancel: ['CANCELLED'], end: ['SUCCEEDED', 'PARTIAL', 'FAILED'] },
  // What was in service at the pause may have been the last; a run that had not started goes back to the queue.
  PAUSED: {
    resume: ['QUEUED', 'RUNNING'],
    cancel: ['CANCELLED'],
    end: ['SUCCEEDED', 'PARTIAL', 'FAILED'],
  },
  SUCCEEDED: {},
  PARTIAL: {},
  FAILED: {},
  CANCELLED: {},
}

/** Whether the event can happen to a run of this status. */
export function canHappen(status: RunStatus, event: RunEvent): boolean {
  return RUN_TRANSITIONS[status][event] !== undefined
}

/** The statuses that an event can happen in, in the order of the table. */
export function statusesBefore(event: RunEvent): RunStatus[] {
  const statuses = Object.keys(RUN_TRANSITIONS) as RunStatus[]
  return statuses.filter((status) => canHappen(status, event))
}

/** Throws where the table has no such way: a fault of the server, not of its client. */
export function assertTransition(from: RunStatus, event: RunEvent, to: RunStatus): void {
  if (RUN_TRANSITIONS[from][event]?.includes(to)) return
  throw new Error(`a run that is ${from} cannot become ${to} by "${event}"`)
}
