import { pino } from 'pino'
import { expect } from 'vitest'
import { createItemCounter } from '../../src/counting/threads.js'
import type { RunKey } from '../../src/domain/ids.js'
import { doneOf, isFinalRunStatus, type RunRecord } from '../../src/domain/run.js'
import type { LaunchComputeInput, LaunchFetchInput, LaunchPipelineInput, RunView } from '../../src/engine/engine.js'
import { type EngineOptions, Runs } from '../../src/engine/runs.js'
import { MemoryEventBus } from '../../src/events/memory.js'
import type { FunctionCatalog } from '../../src/functions/function.js'
import { ManualClock } from './clock.js'
import { type FakeLane, FakeLanePool, type Verdict } from './fake-lanes.js'
import { MemoryNoteFile } from './memory-note-file.js'
import { MemoryStore } from './memory-store.js'
import { Observed } from './observed.js'

export const LIMITS = {
  maxInlineItems: 1000,
  maxItems: 1_000_000,
  maxLanes: 4,
  maxQueuedTasks: 2_000_000,
  defaultLanes: 2,
  maxInFlight: 8,
  hostConcurrency: 16,
  maxOutputBytes: 1000,
  cores: 2,
  retentionDays: 0,
}

type Limits = EngineOptions['limits'] & { cores: number; retentionDays: number }

/** What a client has seen of a run, and whether it was told since that there is more. */
interface Seen {
  view: RunView
  told: boolean
}

/** One server after another over a store that outlives them, and a client that looks on. */
export class World {
  readonly clock = new ManualClock()
  readonly store = new MemoryStore()
  readonly notes = new MemoryNoteFile()
  readonly observed = new Observed()
  readonly functions = new Set(['any'])
  /** Of lists and of what follows from a source: no thread is started for them. */
  readonly counter = createItemCounter({ entry: new URL('file:///none.js'), uploadsDir: '/uploads' })
  readonly limits: Limits
  /** Whether the server's owner has named the host. */
  ownHosts = (_host: string) => true
  bus = new MemoryEventBus()
  pool: FakeLanePool
  runs: Runs
  /** Clients that wait for an answer: the server looks for it now and then. */
  waiting = 0
  /** See FakeLanePool.onDeath. */
  onLaneDeath: FakeLanePool['onDeath'] = () => {}
  #connection = this.store.connect()
  readonly #seen = new Map<RunKey, Seen>()

  constructor(
    limits: Partial<Limits> = {},
    private readonly random = () => 0.5,
  ) {
    this.limits = { ...LIMITS, ...limits }
    this.pool = this.#newPool()
    this.runs = this.#server()
  }

  #newPool(): FakeLanePool {
    const pool = new FakeLanePool(() => this.clock.epochMs(), this.limits.maxLanes)
    pool.onDeath = (lane, inService) => this.onLaneDeath(lane, inService)
    return pool
  }

  #server(): Runs {
    const functions: FunctionCatalog = {
      list: () => [],
      has: (name) => this.functions.has(name),
      validate: () => [],
      validateRange: () => [],
    }
    const { clock, limits, bus, pool: lanes } = this
    const log = pino({ level: 'silent' })
    return new Runs({
      store: this.#connection.store,
      lanes,
      bus,
      observer: this.observed,
      functions,
      clock,
      random: this.random,
      gatherMs: 0,
      cores: limits.cores,
      retentionDays: limits.retentionDays,
      log,
      limits,
      counter: this.counter,
      isOwnHost: (host) => this.ownHosts(host),
      notes: this.notes,
      uploadPath: (file) => `/uploads/${file}`,
    })
  }

  /** Lets all promises settle: nothing here waits for real time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  async compute(input: Partial<LaunchComputeInput> & { items?: number } = {}): Promise<RunKey> {
    const { items = 10, ...rest } = input
    const source = { range: { from: 0, to: items, step: 1 } }
    // AUTO would look at the first tasks alone: tests of it ask for it.
    const options = { strategy: 'THREADS' as const, ...input.options }
    return this.#launched(await this.runs.launchCompute({ function: 'any', source, ...rest, options }, ''))
  }

  async fetch(input: Partial<LaunchFetchInput> & { items?: number } = {}): Promise<RunKey> {
    const { items = 10, ...rest } = input
    const source = { template: { template: 'http://a.example/{i}', from: 1, to: items, step: 1 } }
    return this.#launched(await this.runs.launchFetch({ source, ...rest }, ''))
  }

  /** Computes flow through as many stages as there are names. */
  async pipeline(input: Partial<LaunchPipelineInput> & { items?: number; functions?: string[] } = {}): Promise<RunKey> {
    const { items = 10, functions = ['any', 'any'], ...rest } = input
    const source = { range: { from: 0, to: items, step: 1 } }
    const stages = functions.map((name) => ({ compute: { function: name } }))
    const options = { strategy: 'THREADS' as const, ...input.options }
    return this.#launched(await this.runs.launchPipeline({ source, stages, ...rest, options }, ''))
  }

  async #launched(outcome: Awaited<ReturnType<Runs['launchCompute']>>): Promise<RunKey> {
    expect(outcome.userErrors).toEqual([])
    await this.settle()
    return outcome.run!.record.key
  }

  async view(key: RunKey): Promise<RunView> {
    return (await this.runs.run(key))!
  }

  /** As it is on disk. */
  record(key: RunKey): RunRecord {
    return [...this.store.records.values()].find((record) => record.key === key)!
  }

  rows(key: RunKey) {
    return this.store.rows.get(this.record(key).id)!
  }

  /** Ends the first items that a lane holds, all if `count` is left out. */
  async end(lane: FakeLane | undefined, verdict: Verdict, count = Number.POSITIVE_INFINITY): Promise<void> {
    lane?.end([...lane.held.keys()].slice(0, count), () => verdict)
    await this.settle()
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  /** kill -9 and a new start: what was not on disk is gone, and the disk is well unless `keepsTrouble`. */
  async crash(options: { keepsTrouble?: boolean } = {}): Promise<void> {
    this.#disconnect()
    await this.#restart(options)
  }

  /** SIGTERM: `meanwhile` is what happens while the server leaves. Its lanes are ended last, as the app does it. */
  async leave(drainMs: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    let left = false
    const stopped = this.runs.stop(drainMs).then(() => {
      left = true
    })
    await this.settle()
    await meanwhile()
    for (let turn = 0; turn < 100 && !left; turn += 1) await this.pass(100)
    expect(left).toBe(true)
    await stopped
    await this.pool.close()
    await this.settle()
    // Nothing would fire, or keep the process alive.
    if (this.waiting === 0) expect(this.clock.nextDueMs).toBeNull()
    this.#disconnect()
  }

  /** The next start after `leave`. */
  start(): Promise<void> {
    return this.#restart()
  }

  #disconnect(): void {
    this.#connection.disconnect()
    this.store.forgetHeld()
    this.clock.forgetTimers()
  }

  async #restart({ keepsTrouble = false }: { keepsTrouble?: boolean } = {}): Promise<void> {
    this.waiting = 0
    this.#connection = this.store.connect()
    this.store.autoCommit = true
    this.store.autoRead = true
    this.store.failCommits = 0
    if (!keepsTrouble) this.store.trouble = null
    this.bus = new MemoryEventBus()
    this.pool = this.#newPool()
    this.runs = this.#server()
    for (const key of this.#seen.keys()) void this.#listen(key)
    await this.runs.start()
    await this.settle()
  }

  /**
   * Looks at every run as a client would, and says what a client must never see: a sequence that goes back, or stays
   * where status or counts have changed; counts that do not add up; what is not on disk; a change that it was not told of.
   */
  async look(): Promise<void> {
    for (const record of this.store.records.values()) {
      const { key } = record
      const view = await this.runs.run(key)
      expect(view).not.toBeNull()
      if (!view) continue
      this.#checkCounts(view)
      const before = this.#seen.get(key)
      if (before) this.#checkChange(before, view)
      else void this.#listen(key)
      this.#seen.set(key, { view, told: false })
    }
  }

  async #listen(key: RunKey): Promise<void> {
    const watch = this.bus.watch({ kind: 'run', run: key })
    while ((await watch.next()) !== null) {
      const seen = this.#seen.get(key)
      if (seen) seen.told = true
    }
  }

  #checkCounts({ record, progress, stages }: RunView): void {
    const { queued, running, done, total } = progress
    for (const figure of ['queued', 'running', 'done', 'total', 'succeeded', 'failed', 'cancelled', 'skipped'] as const)
      expect(stages.reduce((sum, stage) => sum + stage[figure], 0)).toBe(progress[figure])
    expect(queued + running + done).toBe(total)
    expect(Math.min(queued, running, done)).toBeGreaterThanOrEqual(0)
    expect(done).toBe(doneOf(progress))
    if (record.concurrency !== null) expect(running).toBeLessThanOrEqual(record.concurrency)
    if (record.status === 'QUEUED') expect({ running, done }).toEqual({ running: 0, done: 0 })
    const stored = this.record(record.key)
    expect(done).toBeLessThanOrEqual(doneOf(stored.counts))
    if (isFinalRunStatus(record.status)) expect(stored.status).toBe(record.status)
    if (record.status === 'RUNNING') expect(stored.status).not.toBe('QUEUED')
  }

  #checkChange(before: Seen, after: RunView): void {
    expect(after.progress.sequence).toBeGreaterThanOrEqual(before.view.progress.sequence)
    if (shown(before.view) === shown(after)) return
    expect(after.progress.sequence).toBeGreaterThan(before.view.progress.sequence)
    expect(before.told).toBe(true)
  }
}

function shown({ record, progress }: RunView): string {
  const { queued, running, succeeded, failed, cancelled, skipped, bytes } = progress
  return JSON.stringify([record.status, queued, running, succeeded, failed, cancelled, skipped, bytes])
}
