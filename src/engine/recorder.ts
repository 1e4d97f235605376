/**
 * The recorder: writes what came back, many tasks of many runs in one transaction, and only then tells the runs. One
 * commit is under way at a time; what comes meanwhile goes with the next one, so that groups grow with the load.
 */

import type { Clock } from '../clock.js'
import type { Commit, Store, TaskBlock } from '../store/store.js'
import type { Entry } from './ledger.js'

/** Of the entries of one transaction, at most: a few milliseconds of the writer's time. See Entry.weight. */
const MAX_COMMIT_WEIGHT = 8_192
/** Of the entries that wait; past it nothing new is granted until the writer has caught up. */
const MAX_BACKLOG_WEIGHT = 32_768
/** After a commit of as much the next one gathers several times as long: what it costs besides its rows weighs most then. */
const MANY_WEIGHT = 1_024
const GATHER_MANY = 4
/** After a commit of fewer requests the next one gathers for a part of the time: what is not on disk after a crash is sent again. */
const FEW_REQUESTS = 16
/** After one of as many requests a crash has many repeated in any case. */
const MANY_REQUESTS = 1_024
const GATHER_FEW = 1 / 4
/** What a row costs before a commit of many has told, in milliseconds. */
const DEFAULT_ROW_MS = 0.002
/** After a commit that failed. */
const RETRY_MS = 1_000

/** What the recorder needs of a run. */
export interface RecordedRun {
  readonly runId: number
  /** Whether nothing more is to come of it: its end waits for the next commit. */
  readonly isEnding: boolean
  /** The run's state once these entries are on disk, and its sketches if that is its end. */
  advance(entries: readonly Entry[], queuedEntries: number): Pick<Commit, 'state' | 'sketches' | 'stageSketches'>
  /** They are on disk. */
  committed(entries: readonly Entry[]): void
}

interface Options {
  store: Pick<Store, 'commit'>
  clock: Clock
  /**
   * From the start of one commit to that of the next at least, unless there is enough for a full one: a small commit costs almost
   * as much as a larger one. Four times as long after one of many rows, unless a run has come to its end, or requests were made and are
   * not many themselves: those that are not on disk are made again after a crash. A fourth of it where these are few.
   */
  gatherMs: number
  /** Called when rows may be granted again after a full backlog. */
  onDrained(): void
  onError(error: unknown): void
  /** Whether nothing can be written now, whoever has found out. */
  isInTrouble(): boolean
}

export class Recorder {
  /** Per run, in the order of arrival; a run with an empty list has only a change of state to write. */
  readonly #queue = new Map<RecordedRun, Entry[]>()
  #backlogWeight = 0
  #full = false
  #pumping: Promise<void> | null = null
  /** Set while a commit waits for more: to be called after what may be a reason not to. */
  #hurry: (() => void) | null = null
  #stopped = false
  #lastCommitMs = Number.NEGATIVE_INFINITY
  #lastCommitWeight = 0
  #lastRequests = 0
  /** Whether one of the entries that wait is of requests. */
  #hasFetches = false
  #manyMs = 0
  #manyRows = 0
  #isStuck = false
  /** Set while a commit that failed waits for another try. */
  #endWait: (() => void) | null = null

  constructor(private readonly options: Options) {}

  /** Whether granting has to wait for the writer. */
  get full(): boolean {
    return this.#full || this.options.isInTrouble()
  }

  /** Whether a commit has failed that has not been written since. */
  get isStuck(): boolean {
    return this.#isStuck
  }

  /** What a row costs where there are many, in milliseconds: measured since the start. */
  get rowMs(): number {
    return this.#manyRows === 0 ? DEFAULT_ROW_MS : this.#manyMs / this.#manyRows
  }

  /** Has the entry written, and the run's state with it. */
  add(run: RecordedRun, entry: Entry): void {
    if (isOfFetches(entry)) this.#hasFetches = true
    this.touch(run).push(entry)
    this.#backlogWeight += entry.weight
    if (this.#backlogWeight > MAX_BACKLOG_WEIGHT) this.#full = true
  }

  /** Has the run's state written, with what is queued of it. */
  touch(run: RecordedRun): Entry[] {
    let entries = this.#queue.get(run)
    if (!entries) {
      entries = []
      this.#queue.set(run, entries)
    }
    this.#hurry?.()
    if (!this.#stopped) this.#pumping ??= this.#pump()
    return entries
  }

  /** Resolves when everything handed over so far is on disk. */
  async flushed(): Promise<void> {
    while (this.#pumping) await this.#pumping
  }

  /** Gives up what cannot be written: the disk is in trouble, and the server leaves. */
  stop(): void {
    this.#stopped = true
    this.#endWait?.()
  }

  async #pump(): Promise<void> {
    // What else arrives in this turn of the event loop goes with the same commit.
    await null
    while (this.#queue.size > 0) {
      await this.#gather()
      const taken = this.#take()
      const commits = taken.map(({ run, entries, left }) => toCommit(run, entries, left))
      if (!(await this.#write(commits))) break
      for (const { run, entries } of taken) run.committed(entries)
      this.#settle(taken)
    }
    this.#pumping = null
  }

  async #gather(): Promise<void> {
    const { clock, gatherMs } = this.options
    const lastMs = this.#lastCommitMs
    const rests: [ms: number, isUrgent: () => boolean][] = [
      [GATHER_FEW * gatherMs, () => false],
      [gatherMs, () => this.#hasFetches && this.#lastRequests < FEW_REQUESTS],
    ]
    if (this.#lastCommitWeight >= MANY_WEIGHT)
      rests.push([GATHER_MANY * gatherMs, () => this.#hasFewFetches || this.#hasEnding])
    for (const [ms, isUrgent] of rests)
      if (this.#mayRest(lastMs + ms) && !isUrgent()) await this.#restUntil(lastMs + ms, isUrgent)
    this.#lastCommitMs = clock.monotonicMs()
  }

  /** Not where there is enough for a full commit. */
  #mayRest(untilMs: number): boolean {
    const isEnough = this.#backlogWeight >= MAX_COMMIT_WEIGHT || this.#stopped
    return !isEnough && this.options.clock.monotonicMs() < untilMs
  }

  get #hasFewFetches(): boolean {
    return this.#hasFetches && this.#lastRequests < MANY_REQUESTS
  }

  get #hasEnding(): boolean {
    for (const run of this.#queue.keys()) if (run.isEnding) return true
    return false
  }

  /** Until then, by the monotonic clock, or until there is something urgent. */
  async #restUntil(dueMs: number, isUrgent: () => boolean): Promise<void> {
    let cancel = () => {}
    await new Promise<void>((resolve) => {
      cancel = this.options.clock.setTimer(resolve, dueMs - this.options.clock.monotonicMs())
      this.#hurry = () => {
        if (isUrgent()) resolve()
      }
    })
    cancel()
    this.#hurry = null
  }

  /**
   * A commit that fails is tried again until it succeeds: what the lanes have done is kept, and nothing new is granted.
   * False where it was given up.
   */
  async #write(commits: Commit[]): Promise<boolean> {
    while (!this.#stopped) {
      try {
        const startMs = this.options.clock.monotonicMs()
        await this.options.store.commit(commits)
        this.#isStuck = false
        this.#noteCost(commits, this.options.clock.monotonicMs() - startMs)
        return true
      } catch (error) {
        this.#full = true
        this.#isStuck = true
        this.options.onError(error)
        await this.#waitForRetry()
      }
    }
    return false
  }

  #noteCost(commits: readonly Commit[], tookMs: number): void {
    let rows = 0
    for (const { blocks } of commits)
      for (const { columns, dropped } of blocks) rows += columns.count - (dropped?.size ?? 0)
    if (rows < MANY_WEIGHT) return
    this.#manyMs += tookMs
    this.#manyRows += rows
  }

  #waitForRetry(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.clock.setTimer(resolve, RETRY_MS)
      this.#endWait = () => {
        cancel()
        resolve()
      }
    })
  }

  #take(): { run: RecordedRun; entries: Entry[]; left: number }[] {
    const taken = []
    let weight = 0
    let requests = 0
    for (const [run, queued] of this.#queue) {
      if (weight >= MAX_COMMIT_WEIGHT) break
      let count = 0
      while (count < queued.length && weight < MAX_COMMIT_WEIGHT) weight += queued[count++]!.weight
      const entries = queued.splice(0, count)
      for (const entry of entries) if (isOfFetches(entry)) requests += entry.rows
      // Deleted and, if there is more, put at the end: a run with a long backlog does not keep the others waiting.
      this.#queue.delete(run)
      if (queued.length > 0) this.#queue.set(run, queued)
      taken.push({ run, entries, left: queued.length })
    }
    this.#lastCommitWeight = weight
    this.#lastRequests = requests
    this.#hasFetches = [...this.#queue.values()].some((left) => left.some(isOfFetches))
    return taken
  }

  #settle(taken: { entries: Entry[] }[]): void {
    for (const { entries } of taken) for (const entry of entries) this.#backlogWeight -= entry.weight
    if (!this.#full || this.#backlogWeight > MAX_BACKLOG_WEIGHT / 2) return
    this.#full = false
    this.options.onDrained()
  }
}

function isOfFetches({ block }: Entry): boolean {
  return block.columns.fetches !== null
}

function toCommit(run: RecordedRun, entries: Entry[], queuedEntries: number): Commit {
  const advanced = run.advance(entries, queuedEntries)
  const blocks: TaskBlock[] = entries.filter((entry) => entry.rows > 0).map((entry) => entry.block)
  return { runId: run.runId, blocks, ...advanced }
}
