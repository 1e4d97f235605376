/** A gated supply by itself: what it hands out is the test's to end, and every start is remembered. */

import { expect } from 'vitest'
import { type FetchOptions, type Json, type Source, toFetchRequest } from '../../src/domain/batch.js'
import type { TaskError } from '../../src/domain/errors.js'
import { Outcome, type ResultColumns } from '../../src/domain/results.js'
import { noCounts } from '../../src/domain/run.js'
import type { TaskRecord } from '../../src/domain/task.js'
import type { GatedSupply } from '../../src/engine/gated-supply.js'
import { NO_HOST } from '../../src/engine/host-gate.js'
import { Hosts } from '../../src/engine/hosts.js'
import type { OneHostSupply } from '../../src/engine/one-host-supply.js'
import { createSupply } from '../../src/engine/supplies.js'
import type { Batch } from '../../src/engine/supply.js'
import { ManualClock } from './clock.js'
import { batchSpec, columnsOf, FETCH, runRecord } from './engine-parts.js'
import { hostUser, inFlightOf } from './hosts.js'
import { setOf } from './index-sets.js'

export interface Started {
  index: number
  attempt: number
  host: string
  atMs: number
}

interface Setup {
  /** A list, or a template with {i} from 0 on. */
  urls: readonly string[] | { template: string; count: number }
  perHostConcurrency?: number | null
  perHostRate?: number | null
  dedupe?: boolean
  ended?: readonly number[]
  /** Of the server; null: the hosts are its owner's own. */
  hostConcurrency?: number | null
  /** Items that the run is not about. */
  leftOut?: readonly number[]
}

export const FAILURE: TaskError = { code: 'HTTP_STATUS', message: 'no', retryable: true }

export class GatedItems {
  readonly clock = new ManualClock()
  readonly hosts: Hosts
  /** Of the server; null: the hosts are its owner's own. */
  readonly hostConcurrency: number | null
  /** Of a template whose items all go to one host the one that reads none of them. */
  readonly supply: GatedSupply | OneHostSupply
  readonly starts: Started[] = []
  /** Handed out. */
  readonly out: Started[] = []
  /** By item, how often it has ended. */
  readonly endings = new Map<number, number>()
  /** Columns of items that were never sent. */
  readonly shared: ResultColumns[] = []
  readonly unreadable: TaskError[] = []
  /** Rows on disk. */
  readonly rows = new Map<number, TaskRecord>()
  readonly reads: number[] = []
  /** Rows that were asked for. */
  rowReads = 0
  isFull = false
  failReads = 0
  /** Items that one answer of the source holds at most, as where lines are long. */
  answerSize = Number.POSITIVE_INFINITY
  changes = 0
  recalls = 0
  readonly #urls: (index: number) => string
  readonly count: number

  constructor(setup: Setup) {
    const { hostConcurrency = null } = setup
    const { urls, perHostConcurrency = null, perHostRate = null, dedupe = false, ended = [], leftOut = [] } = setup
    const list = Array.isArray(urls) ? (urls as readonly string[]) : null
    const template = list ? null : (urls as { template: string; count: number })
    this.count = list?.length ?? template!.count
    this.#urls = (index) => list?.[index] ?? template!.template.replaceAll('{i}', String(index))
    const source: Source = template
      ? { kind: 'template', template: template.template, from: 0, to: this.count - 1, step: 1, count: this.count }
      : { kind: 'list', form: 'urls', count: this.count }
    const fetch: FetchOptions = {
      ...(FETCH as { fetch: FetchOptions }).fetch,
      perHostConcurrency,
      perHostRate,
      dedupe,
    }
    this.hostConcurrency = hostConcurrency
    this.hosts = new Hosts({
      clock: this.clock,
      concurrency: hostConcurrency ?? 1_000_000,
      isOwn: () => hostConcurrency === null,
    })
    const spec = batchSpec({ kind: 'FETCH', source, stages: [{ ...FETCH, fetch } as typeof FETCH] })
    this.supply = createSupply({
      record: runRecord({ spec, counts: noCounts(this.count - leftOut.length) }),
      stage: 0,
      flow: null,
      concurrency: 64,
      leftOut: leftOut.length > 0 ? setOf(this.count, leftOut) : null,
      ended: ended.length > 0 ? setOf(this.count, ended) : null,
      clock: this.clock,
      store: { items: (_run, indexes) => this.#read(indexes), task: (_run, _stage, index) => this.#task(index) },
      isFull: () => this.isFull,
      onEnded: (columns) => this.#share(columns),
      onChanged: () => {
        this.changes += 1
      },
      onUnreadable: (error) => void this.unreadable.push(error),
      hosts: this.hosts,
      user: hostUser(),
      recall: () => {
        this.recalls += 1
      },
    }) as GatedSupply | OneHostSupply
    this.supply.start()
  }

  /** What a request is told by; a line that is none is like no other. */
  requestOf(index: number): string {
    const url = this.#urls(index)
    return URL.canParse(url) ? new URL(url).href.replace(/#.*/, '') : `line ${index}`
  }

  hostOf(index: number): string {
    const url = this.#urls(index)
    return URL.canParse(url) ? new URL(url).host : NO_HOST
  }

  /** The first item of each request. */
  get leaders(): number[] {
    const firsts = new Map<string, number>()
    for (let index = this.count - 1; index >= 0; index -= 1) firsts.set(this.requestOf(index), index)
    return [...firsts.values()].sort((a, b) => a - b)
  }

  /** Lets everything be read that will be without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    this.supply.release(this.clock.monotonicMs())
    await this.settle()
  }

  take(max: number): Started[] {
    const batch = this.supply.take(max)
    const atMs = this.clock.monotonicMs()
    const taken = indexesOf(batch).map((index, at) => {
      if (batch?.inputs) expect(batch.inputs[at]).toEqual(this.#inputOf(index))
      return { index, attempt: batch?.attempts?.[at] ?? 1, host: this.hostOf(index), atMs }
    })
    expect(taken.length).toBeLessThanOrEqual(max)
    this.starts.push(...taken)
    this.out.push(...taken)
    return taken
  }

  /** Ends what is handed out at these places of `out`. */
  end(places: readonly number[], { failed = false, output = null as string | null } = {}): void {
    const ended = this.#remove(places)
    const columns = columnsOf(
      ended.map(({ index, attempt }) => ({
        index,
        attempt,
        ...(failed ? { error: FAILURE } : {}),
        ...(output === null ? {} : { output }),
      })),
    )
    for (const { index } of ended) this.#note(index)
    this.supply.ended(columns, null)
  }

  giveBack(places: readonly number[]): void {
    for (const { index, attempt } of this.#remove(places)) this.supply.giveBack(index, attempt)
  }

  retry(places: readonly number[], afterMs: number): void {
    const dueMs = this.clock.monotonicMs() + afterMs
    for (const { index, attempt } of this.#remove(places)) this.supply.delay(index, attempt + 1, dueMs)
  }

  #remove(places: readonly number[]): Started[] {
    const gone = new Set(places)
    const removed = this.out.filter((_, at) => gone.has(at))
    const kept = this.out.filter((_, at) => !gone.has(at))
    this.out.splice(0, this.out.length, ...kept)
    return removed
  }

  #share(columns: ResultColumns): void {
    expect([...columns.attempts].every((attempts) => attempts === 0)).toBe(true)
    expect([...columns.outcomes].every((outcome) => outcome <= Outcome.FAILED)).toBe(true)
    this.shared.push(columns)
    for (const index of columns.indexes) this.#note(index)
  }

  #note(index: number): void {
    this.endings.set(index, (this.endings.get(index) ?? 0) + 1)
  }

  #inputOf(index: number): Json {
    const url = this.#urls(index)
    return URL.canParse(url) ? url : ({ ...toFetchRequest(url), problem: 'no URL' } as unknown as Json)
  }

  async #read(indexes: readonly number[]): Promise<Map<number, Json>> {
    this.reads.push(indexes.length)
    if (this.failReads > 0) {
      this.failReads -= 1
      throw new Error('the disk cannot be read')
    }
    return new Map(indexes.slice(0, this.answerSize).map((index) => [index, this.#inputOf(index)]))
  }

  async #task(index: number): Promise<TaskRecord | null> {
    this.rowReads += 1
    return this.rows.get(index) ?? null
  }
}

function indexesOf(batch: Batch | null): number[] {
  if (batch === null) return []
  return batch.indexes ?? Array.from({ length: batch.count }, (_, at) => batch.first + at)
}

export function startsByHost(items: GatedItems): Started[][] {
  const hosts = new Set(items.starts.map(({ host }) => host).filter((host) => host !== NO_HOST))
  return Array.from(hosts, (host) => items.starts.filter((start) => start.host === host))
}

/** What must hold whatever happens. */
export function checkStarts(items: GatedItems, limits: { concurrency: number | null; rate: number | null }): void {
  const underway = new Map<string, number>()
  const sent = items.out.filter(({ host }) => host !== NO_HOST)
  for (const { host } of sent) underway.set(host, (underway.get(host) ?? 0) + 1)
  const most = Math.max(0, ...underway.values())
  if (limits.concurrency !== null) expect(most).toBeLessThanOrEqual(limits.concurrency)
  if (items.hostConcurrency !== null) expect(most).toBeLessThanOrEqual(items.hostConcurrency)
  expect(inFlightOf(items.hosts)).toBe(sent.length)
  expect(items.supply.out).toBe(items.out.length)
  if (limits.rate !== null) {
    for (const starts of startsByHost(items)) checkPace(starts, limits.rate)
  }
}

/** In any second at most `rate`; of less than one a second each is as long after the one before it. */
function checkPace(starts: readonly Started[], rate: number): void {
  const [count, windowMs] = rate >= 1 ? [Math.ceil(rate), 1000] : [1, 1000 / rate]
  for (let at = count; at < starts.length; at += 1) {
    expect(starts[at]!.atMs - starts[at - count]!.atMs).toBeGreaterThanOrEqual(windowMs)
  }
}
