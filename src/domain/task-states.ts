/** The life of a task: docs/states.md draws this table. */

import type { StoredTaskStatus } from './task.js'

/** Before a task has ended nothing is written of it: these are the engine's. */
export type TaskState = 'WAITING' | 'IN_SERVICE' | 'BACK_OFF' | 'SKIPPED' | StoredTaskStatus

export type TaskEvent = 'start' | 'skip' | 'cancel' | 'succeed' | 'fail' | 'retry' | 'giveBack' | 'due'

/** Where each event leads from each state. */
export const TASK_TRANSITIONS: Readonly<Record<TaskState, Readonly<Partial<Record<TaskEvent, TaskState>>>>> = {
  WAITING: { start: 'IN_SERVICE', skip: 'SKIPPED', cancel: 'CANCELLED' },
  IN_SERVICE: { succeed: 'SUCCEEDED', fail: 'FAILED', retry: 'BACK_OFF', giveBack: 'WAITING', cancel: 'CANCELLED' },
  BACK_OFF: { due: 'WAITING', fail: 'FAILED', cancel: 'CANCELLED' },
  SKIPPED: {},
  SUCCEEDED: {},
  FAILED: {},
  CANCELLED: {},
}
