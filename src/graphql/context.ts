/** What every resolver may use. The server makes one for each operation. */

import type { Clock } from '../clock.js'
import { ANYONE, type Identity, type Scope } from '../domain/access.js'
import type { ExportLinks } from '../domain/export-links.js'
import type { Engine } from '../engine/engine.js'
import type { EventBus } from '../events/bus.js'
import type { FunctionInfo } from '../functions/function.js'
import type { Log } from '../log.js'
import type { Store } from '../store/store.js'
import type { StreamTransport, Subscribers } from './subscribers.js'

/** The API reads the store; writing is the engine's. */
export type StoreReads = Pick<
  Store,
  | 'run'
  | 'runById'
  | 'retriesOf'
  | 'runs'
  | 'timingHistory'
  | 'countRuns'
  | 'comparison'
  | 'comparisonById'
  | 'comparisons'
  | 'countComparisons'
  | 'runsOfComparison'
  | 'task'
  | 'tasks'
  | 'countTasks'
  | 'tasksAfter'
  | 'errors'
  | 'body'
  | 'bodyBeginning'
  | 'exportRun'
>

/** How the server itself is. */
export interface Vitals {
  readonly version: string
  readonly host: string
  readonly cores: number
  uptimeMs(): number
  /** How late the API's event loop was, over the last window. */
  eventLoopDelayP99Ms(): number
}

/** What the API stands on; constructed once. */
export interface ApiServices {
  readonly engine: Engine
  readonly store: StoreReads
  readonly bus: EventBus
  readonly functions: readonly FunctionInfo[]
  readonly links: ExportLinks
  readonly clock: Clock
  readonly vitals: Vitals
  readonly log: Log
  readonly subscribers: Subscribers
}

/** Who waits for an operation's answer, and how it was asked for. */
export interface Caller {
  /** On whose behalf. */
  readonly identity: Identity
  /** Whether the request may change nothing, as with GET. */
  readonly isSafe: boolean
  /** What carries the events of its subscriptions. */
  readonly transport: StreamTransport
  /** Aborted when nobody waits for the answer any more. */
  leaves(): AbortSignal
}

export interface ApiContext extends ApiServices {
  /** The space of the caller's idempotency keys; '' without tokens. */
  readonly space: string
  readonly scopes: ReadonlySet<Scope>
  readonly caller: Caller
  /** A stream of events begins; what it answers with is to be called at its end. */
  streaming(): () => void
}

/** One who may do everything, asks as with POST, and waits. */
const PATIENT: Caller = {
  identity: ANYONE,
  isSafe: false,
  transport: 'SSE',
  leaves: () => new AbortController().signal,
}

export function createContext(services: ApiServices, caller: Caller = PATIENT): ApiContext {
  const { space, scopes } = caller.identity
  const streaming = () => services.subscribers.enter(caller.transport)
  return { ...services, space, scopes, caller, streaming }
}
