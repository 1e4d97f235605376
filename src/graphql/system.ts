/** The server itself: how it is, and what it is busy with. */

import { type StorageTrouble, StorageTroubleCode, TROUBLE_MESSAGES } from '../domain/storage.js'
import type { LaneKind } from '../domain/strategy.js'
import type { EngineLoad } from '../engine/engine.js'
import { builder } from './builder.js'
import type { Vitals } from './context.js'
import { StrategyType } from './strategy.js'
import { StrategyCostType } from './strategy-cost.js'

const STRATEGY_OF_KIND = { THREAD: 'THREADS', PROCESS: 'PROCESSES' } as const satisfies Record<LaneKind, string>

const LaneInfoType = builder.objectRef<EngineLoad['lanes'][number]>('LaneInfo').implement({
  description: 'A lane that is alive, idle ones included.',
  fields: (t) => ({
    lane: t.exposeString('lane', { description: 'Its name, as tasks tell it.' }),
    strategy: t.field({
      type: StrategyType,
      description: 'THREADS for a worker thread, PROCESSES for a child process, whatever strategy uses it now.',
      resolve: ({ kind }) => STRATEGY_OF_KIND[kind],
    }),
    host: t.string({ description: 'The machine that it is on.', resolve: (_lane, _args, { vitals }) => vitals.host }),
    busy: t.exposeBoolean('busy', { description: 'Whether a run has it now.' }),
    tasksDone: t.exposeInt('tasksDone', { description: 'Tasks that it has ended since it was started.' }),
    memoryMb: t.exposeFloat('memoryMb', {
      nullable: true,
      description: 'Memory of its own in megabytes; null where it is not known, as of threads.',
    }),
  }),
})

const StorageTroubleCodeType = builder.enumType('StorageTroubleCode', {
  description: 'What keeps the server from writing anything down.',
  values: {
    [StorageTroubleCode.FULL]: { description: 'There is no room on the disk.' },
    [StorageTroubleCode.BUSY]: { description: 'Another process has the database locked.' },
    [StorageTroubleCode.FAILED]: { description: 'The disk cannot be written; the log says why.' },
  } as const,
})

const StorageTroubleType = builder.objectRef<StorageTrouble>('StorageTrouble').implement({
  description:
    'Nothing can be written down now: runs stand still, launches are refused, and all goes on by itself once it is over.',
  fields: (t) => ({
    code: t.field({ type: StorageTroubleCodeType, description: 'What it is.', resolve: ({ code }) => code }),
    message: t.string({ description: 'What it is, in words.', resolve: ({ code }) => TROUBLE_MESSAGES[code] }),
    since: t.field({ type: 'DateTime', description: 'When it was first met.', resolve: ({ since }) => since }),
  }),
})

/** How the server is, at one moment. */
interface SystemNode {
  vitals: Vitals
  load: EngineLoad
}

const SystemType = builder.objectRef<SystemNode>('System').implement({
  description: 'The server: what it is, how it is, and what it is busy with now.',
  fields: (t) => ({
    version: t.string({ description: 'The version of Heddle.', resolve: ({ vitals }) => vitals.version }),
    cores: t.int({ description: 'Cores that the server may use.', resolve: ({ vitals }) => vitals.cores }),
    uptimeMs: t.float({
      description: 'Milliseconds since the server started.',
      resolve: ({ vitals }) => vitals.uptimeMs(),
    }),
    eventLoopDelayP99Ms: t.float({
      description: "How late the API's event loop was, at p99 over the last seconds, in milliseconds.",
      resolve: ({ vitals }) => vitals.eventLoopDelayP99Ms(),
    }),
    queuedTasks: t.int({
      description: 'Tasks of all runs that are not in service.',
      resolve: ({ load }) => load.queuedTasks,
    }),
    runningTasks: t.int({ description: 'Tasks in service now.', resolve: ({ load }) => load.runningTasks }),
    oldestQueuedMs: t.float({
      nullable: true,
      description:
        'The age of the oldest task that waits for a lane, from the launch of its run on, in milliseconds; null where none waits.',
      resolve: ({ load }) => load.oldestQueuedMs,
    }),
    storageTrouble: t.field({
      type: StorageTroubleType,
      nullable: true,
      description: 'What keeps the server from writing anything down; null where all is well.',
      resolve: ({ load }) => load.storageTrouble,
    }),
    lanes: t.field({
      type: [LaneInfoType],
      description: 'The lanes that are alive.',
      resolve: ({ load }) => load.lanes,
    }),
    strategyCosts: t.field({
      type: [StrategyCostType],
      description:
        "What each strategy costs on this machine: the rows of 'threads vs processes', from SEQUENTIAL to PROCESSES. Measured when it is first asked for, in a second or two, after the run of a comparison that is under way, and the same from then on: ask a server at rest.",
      resolve: (_system, _args, { engine }) => engine.strategyCosts(),
    }),
  }),
})

builder.queryField('system', (t) =>
  t.field({
    type: SystemType,
    description: 'The server now.',
    resolve: (_root, _args, { vitals, engine }) => ({ vitals, load: engine.load() }),
  }),
)
