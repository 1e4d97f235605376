/** The composition root: the only file that constructs and joins the layers. */

import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from './clock.js'
import type { Config } from './config.js'
import type { ItemCounter } from './counting/counter.js'
import { createItemCounter } from './counting/threads.js'
import { ExportLinks } from './domain/export-links.js'
import { TROUBLE_MESSAGES } from './domain/storage.js'
import { Runs } from './engine/runs.js'
import { MemoryEventBus } from './events/memory.js'
import { createDestinationPolicy } from './fetching/destination.js'
import { linkKey, passingLinkKey } from './files/link-key.js'
import { Uploads } from './files/uploads.js'
import { BUILTINS } from './functions/builtins/index.js'
import { createRegistry, type FunctionRegistry } from './functions/registry.js'
import { Subscribers } from './graphql/subscribers.js'
import { EngineMetrics } from './http/engine-metrics.js'
import { Metrics } from './http/metrics.js'
import { createHttpServer } from './http/server.js'
import { startVitals } from './http/vitals.js'
import type { LanePool } from './lanes/lane.js'
import { createLanePool } from './lanes/pool.js'
import type { Log } from './log.js'
import { databasePath } from './store/database.js'
import { DiskNoteFile } from './store/note-file.js'
import { createStore } from './store/open.js'
import type { Store } from './store/store.js'
import { stagingFolder } from './store/stored-bodies.js'
import { version } from './version.js'

/** What is loaded from files: the code of the other threads and processes, and the migrations. */
export interface AppFiles {
  laneEntry: URL
  writerEntry: URL
  readerEntry: URL
  counterEntry: URL
  migrationsDir: string
}

export interface App {
  /** Where it listens. */
  readonly url: string
  /** Leaves: what is in service gets HEDDLE_DRAIN_MS, what has ended is on disk when this resolves. Safe to call twice. */
  close(): Promise<void>
}

/** Beside the built app.js. */
const BUILT_FILES: AppFiles = {
  laneEntry: new URL('./lanes/entry.js', import.meta.url),
  writerEntry: new URL('./store/writer-entry.js', import.meta.url),
  readerEntry: new URL('./store/reader-entry.js', import.meta.url),
  counterEntry: new URL('./counting/entry.js', import.meta.url),
  migrationsDir: fileURLToPath(new URL('../prisma/migrations', import.meta.url)),
}

/** Idle lanes more than a run has by default: a short fetch beside a compute finds a warm one, and so do the stages of a pipeline. */
const EXTRA_WARM_LANES = 2

/** When the server leaves: what requests under way get to end. */
const CLOSE_GRACE_MS = 1_000

/** What a client may wait longer to see a task ended, while many end. */
const GATHER_MS = 20

/** A token of fewer characters is soon guessed. */
const MIN_TOKEN_LENGTH = 16

/** Starts everything, in the order in which each part needs the others. Rejects with a clear error where one cannot. */
export async function startApp(config: Config, log: Log, files: AppFiles = BUILT_FILES): Promise<App> {
  // The owner's alone: it holds what was fetched.
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  warnOfOthers(config.dataDir, log)
  const short = config.tokens.filter(({ token }) => token.length < MIN_TOKEN_LENGTH).length
  if (short > 0) log.warn(`HEDDLE_TOKENS: tokens of fewer than ${MIN_TOKEN_LENGTH} characters can be guessed: ${short}`)
  const functions = await loadFunctions(config, log)
  const store = await createStore({
    url: config.databaseUrl,
    dataDir: config.dataDir,
    writerEntry: files.writerEntry,
    readerEntry: files.readerEntry,
    migrationsDir: files.migrationsDir,
    uploadsDir: uploadsDir(config),
    onPartsFailure: (run, error) => {
      log.warn({ run, err: error }, 'what an ended run took cannot be added up: the history lacks it')
    },
  })
  const lanes = createLanePool({
    entry: files.laneEntry,
    functionsDir: config.functionsDir,
    allowHosts: config.allowHosts,
    stagingDir: stagingFolder(config.dataDir),
    laneMemoryMb: config.laneMemoryMb,
    maxLanes: config.maxLanes,
    keepWarm: config.lanes + EXTRA_WARM_LANES,
  })
  const counter = createItemCounter({ entry: files.counterEntry, uploadsDir: uploadsDir(config) })
  try {
    return await serve({ config, log, functions, store, lanes, counter })
  } catch (error) {
    await Promise.allSettled([lanes.close(), store.close(), counter.close()])
    throw error
  }
}

/** A folder that was there keeps its rights: they may be meant. What is created in it is its owner's alone. */
function warnOfOthers(folder: string, log: Log): void {
  const rights = statSync(folder).mode & 0o777
  // Elsewhere the numbers say nothing.
  if ((rights & 0o077) === 0 || process.platform === 'win32') return
  log.warn(
    { folder, mode: rights.toString(8) },
    'other users of this machine may enter the folder of the data: chmod 700 keeps them out',
  )
}

function uploadsDir({ dataDir }: Config): string {
  return join(dataDir, 'uploads')
}

/** Whether a host is named among those that fetches may reach; a name that leads to one of their addresses is not. */
function ownHosts({ allowHosts }: Config): (host: string) => boolean {
  const policy = createDestinationPolicy(allowHosts)
  return (host) => policy.names(host.replace(/:\d+$/, ''))
}

/** Without tokens there is nothing to sign. */
function openLinks({ tokens, dataDir }: Config, log: Log): ExportLinks {
  if (tokens.length === 0) return new ExportLinks(passingLinkKey())
  try {
    return new ExportLinks(linkKey(join(dataDir, 'heddle.links')))
  } catch (error) {
    log.warn({ err: error }, 'the key of links cannot be kept: links to exports end with this start of the server')
    return new ExportLinks(passingLinkKey())
  }
}

async function loadFunctions(config: Config, log: Log): Promise<FunctionRegistry> {
  const { registry, problems } = await createRegistry({ builtins: BUILTINS, directory: config.functionsDir })
  for (const problem of problems)
    log.error({ ...problem }, `a function is left out: ${problem.file}: ${problem.reason}`)
  return registry
}

interface Parts {
  config: Config
  log: Log
  functions: FunctionRegistry
  store: Store
  lanes: LanePool
  counter: ItemCounter
}

async function serve({ config, log, functions, store, lanes, counter }: Parts): Promise<App> {
  const bus = new MemoryEventBus()
  const engineMetrics = new EngineMetrics()
  const vitals = startVitals(version, systemClock)
  const runs = new Runs({
    store,
    lanes,
    bus,
    observer: engineMetrics,
    functions,
    clock: systemClock,
    random: Math.random,
    gatherMs: GATHER_MS,
    cores: vitals.cores,
    retentionDays: config.retentionDays,
    log,
    limits: { ...config, defaultLanes: config.lanes },
    counter,
    isOwnHost: ownHosts(config),
    notes: new DiskNoteFile(join(config.dataDir, 'heddle.grants'), (error) => {
      log.warn(
        { err: error },
        'what lanes are granted cannot be noted: a task that ends the server is not found meanwhile',
      )
    }),
    uploadPath: (file) => join(uploadsDir(config), file),
  })
  let leaving = false
  const subscribers = new Subscribers()
  const services = {
    engine: runs,
    store,
    bus,
    functions: functions.list(),
    links: openLinks(config, log),
    clock: systemClock,
    vitals,
    log,
    subscribers,
  }
  const databaseFile = databasePath(config.databaseUrl)
  const server = createHttpServer({
    services,
    introspection: config.introspection,
    origins: config.origins,
    tokens: config.tokens,
    rateLimit: config.rateLimit,
    closeGraceMs: CLOSE_GRACE_MS,
    metrics: new Metrics({ engine: runs, engineMetrics, vitals, subscribers, databaseFile }),
    uploads: new Uploads({
      folder: uploadsDir(config),
      maxBytes: config.maxFileBytes,
      maxItems: config.maxItems,
      onNoRoom: () => runs.storage.look(),
    }),
    readiness: () => {
      const { trouble: found } = runs.storage
      const trouble = found === null ? [] : [TROUBLE_MESSAGES[found.code]]
      return leaving ? ['the server is leaving', ...trouble] : trouble
    },
  })
  const listening = runs.start().then(() => server.listen(config.port, config.host))
  const { url } = await listening.catch(async (error: unknown) => {
    // Runs may be under way again: no task is to blame for the end of its lane.
    await runs.stop(0)
    vitals.stop()
    throw error
  })
  const leave = async () => {
    leaving = true
    await runs.stop(config.drainMs)
    // What was drained is still told; only then do the streams end.
    await server.close()
    bus.close()
    await lanes.close()
    await counter.close()
    await store.close()
    vitals.stop()
  }
  let left: Promise<void> | null = null
  const close = () => {
    left ??= leave()
    return left
  }
  return { url, close }
}
