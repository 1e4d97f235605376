/** What travels between the two sides of a lane: the server's (threads.ts, processes.ts) and the lane's own (entry.ts). */

import type { MessagePort } from 'node:worker_threads'
import type { Grant, JobSpec, LaneWork, ResultBlock } from './protocol.js'

export type ToLane =
  /** `slate`: shared memory with more places than before; null where the old one will do. */
  | { kind: 'open'; job: JobSpec; slate: SharedArrayBuffer | null }
  /** `claims`: where the lane claims each item before it starts it, see claims.ts; left out where all are its own. */
  | { kind: 'grant'; grant: Grant; claims?: SharedArrayBuffer }
  | { kind: 'recall' }
  | { kind: 'cancel' }
  /** Answered with `prepared` once all of it is loaded. The lane has no job then. */
  | { kind: 'prepare'; works: readonly LaneWork[] }
  /** Answered with `alive` as soon as the lane's event loop turns. */
  | { kind: 'probe' }
  /** Answered with `weight`. */
  | { kind: 'weigh' }

export type FromLane =
  /** The lane can take jobs. `id`: the thread's or the process's, by which tinypool knows it. */
  | { kind: 'ready'; id: number }
  /** `strays`: functions that were given up (timed out, cancelled) and have not settled yet. */
  | { kind: 'results'; block: ResultBlock; strays: number }
  /** See LaneListener.onWaiting. */
  | { kind: 'waiting'; job: number; busyShare: number | null }
  /** There are no strays any more. */
  | { kind: 'settled' }
  | { kind: 'alive' }
  /** What the lane knows of its own memory, see weight.ts. */
  | { kind: 'weight'; memoryMb: number }
  | { kind: 'prepared' }
  /** The lane ends by itself after it. `message`: the error that nothing caught; null for an exit. */
  | { kind: 'fault'; message: string | null; author: FaultAuthor | null }

/** A child process has one channel for all that is in it: `key` tells what comes from the lane from what a function sends. */
export interface FromProcess {
  key: string
  message: FromLane
}

/** Whose doing the end of a lane is. `index`: of a task in service; null where that has ended, or is reported already. */
export interface FaultAuthor {
  index: number | null
}

/** The one task that tinypool runs in a worker: to be a lane. */
export interface LaneTask {
  functionsDir: string | null
  allowHosts: readonly string[]
  laneMemoryMb: number
  /** Where bodies are written that are to be stored. */
  stagingDir: string
  /** Epoch milliseconds at the zero of the machine's monotonic clock, so that all lanes stamp with the server's clock. */
  epochOfMonotonicMs: number
  line: { kind: 'port'; port: MessagePort } | { kind: 'channel'; slatePath: string; key: string; guard: GuardTask }
}

/** What the guard of a child process watches; see guard.ts. */
export interface GuardTask {
  parentPid: number
  maxResidentMb: number
}
