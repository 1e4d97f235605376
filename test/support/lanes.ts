/** What tests of lanes share: a pool of built lanes, a listener that can be waited for, and gates to hold tasks at. */

import { createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { TaskError } from '../../src/domain/errors.js'
import { fetchAt } from '../../src/domain/fetch-column.js'
import { Outcome, outputAt } from '../../src/domain/results.js'
import type { FetchDetail } from '../../src/domain/task.js'
import type { InService, LaneListener } from '../../src/lanes/lane.js'
import { createLanePool, type LanePoolOptions } from '../../src/lanes/pool.js'
import type { Grant, JobSpec, ResultBlock } from '../../src/lanes/protocol.js'

/** Workers load JavaScript: the build comes before the tests. */
export const LANE_ENTRY = new URL('../../dist/lanes/entry.js', import.meta.url)
export const FUNCTIONS_DIR = fileURLToPath(new URL('./functions', import.meta.url))

export function testPool(options: Partial<LanePoolOptions> = {}) {
  return createLanePool({
    entry: LANE_ENTRY,
    functionsDir: FUNCTIONS_DIR,
    allowHosts: ['127.0.0.1'],
    stagingDir: '/nowhere',
    laneMemoryMb: 64,
    maxLanes: 4,
    keepWarm: 2,
    ...options,
  })
}

let jobs = 0

export function computeJob(options: Partial<JobSpec> & { function?: string } = {}): JobSpec {
  const { function: name = 'act', ...rest } = options
  jobs += 1
  return {
    job: jobs,
    work: { kind: 'COMPUTE', function: name, reduce: null },
    source: null,
    takesOver: false,
    handsOver: null,
    slots: 1,
    timeoutMs: null,
    maxOutputBytes: 1024 * 1024,
    tellsWaiting: false,
    isAwaited: false,
    ...rest,
  }
}

/** Inputs as a list's grant, with indexes from `first`. */
export function grantOf(inputs: unknown[], first = 0): Grant {
  return { first, count: inputs.length, indexes: null, inputs, attempts: null }
}

export interface Row {
  index: number
  attempt: number
  outcome: Outcome
  startedAt: number
  serviceMs: number
  cpuMs: number
  output: string | null
  error: TaskError | null
  fetch: FetchDetail | null
}

export function rowsOf({ columns }: ResultBlock): Row[] {
  const errors = new Map(columns.errors.map(({ at, error }) => [at, error]))
  return Array.from({ length: columns.count }, (_, at) => ({
    index: columns.indexes[at]!,
    attempt: columns.attempts[at]!,
    outcome: columns.outcomes[at] as Outcome,
    startedAt: columns.startedAt[at]!,
    serviceMs: columns.serviceMs[at]!,
    cpuMs: columns.cpuMs?.[at] ?? Number.NaN,
    output: outputAt(columns.outputs, at),
    error: errors.get(at) ?? null,
    fetch: fetchAt(columns.fetches, at),
  }))
}

/** Gathers what a lane tells; `until` waits for it. */
export class Listener implements LaneListener {
  readonly blocks: ResultBlock[] = []
  readonly rows: Row[] = []
  /** Of tasks that wait: the shares of busy time that were told. */
  readonly waits: (number | null)[] = []
  readonly deaths: { error: TaskError; inService: InService[]; rowsBefore: number }[] = []
  #waiting: { met: () => boolean; resolve: () => void }[] = []

  onResults(block: ResultBlock): void {
    this.blocks.push(block)
    this.rows.push(...rowsOf(block))
    this.#check()
  }

  onWaiting(busyShare: number | null): void {
    this.waits.push(busyShare)
    this.#check()
  }

  onDeath(error: TaskError, inService: InService[]): void {
    this.deaths.push({ error, inService, rowsBefore: this.rows.length })
    this.#check()
  }

  until(met: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ met, resolve })
      this.#check()
    })
  }

  /** This many rows; a death is no answer to that. */
  async untilRows(count: number): Promise<Row[]> {
    await this.until(() => this.rows.length >= count || this.deaths.length > 0)
    const death = this.deaths[0]
    if (death && this.rows.length < count) throw new Error(`the lane died: ${death.error.message}`)
    return this.rows
  }

  async untilDeath(): Promise<{ error: TaskError; inService: InService[] }> {
    await this.until(() => this.deaths.length > 0)
    return this.deaths[0]!
  }

  get outcomes(): Outcome[] {
    return this.rows.map(({ outcome }) => outcome)
  }

  #check(): void {
    const met = this.#waiting.filter((waiting) => waiting.met())
    this.#waiting = this.#waiting.filter((waiting) => !met.includes(waiting))
    for (const { resolve } of met) resolve()
  }
}

/** Looks again with each turn of the event loop, for what tells nobody that it has happened. */
export async function eventually(met: () => boolean): Promise<void> {
  while (!met()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Holds tasks: each `gate` act connects here, and goes on when it is opened. */
export class Gates {
  readonly #server: Server
  readonly #open = new Map<string, Socket>()
  readonly #closed = new Set<string>()
  readonly #waiting: (() => void)[] = []

  constructor() {
    this.#server = createServer((socket) => {
      let key = ''
      socket.on('error', () => {})
      socket.on('data', (data) => {
        key = String(data).trim()
        this.#open.set(key, socket)
        this.#wake()
      })
      socket.on('close', () => {
        this.#closed.add(key)
        this.#wake()
      })
    })
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  input(key: string, more: object = {}): object {
    return { do: 'gate', port: this.port, key, ...more }
  }

  /** Resolves when these tasks are at their gates. */
  reached(...keys: string[]): Promise<void> {
    return this.#until(() => keys.every((key) => this.#open.has(key)))
  }

  /** Resolves when the task has let go of its connection. */
  left(key: string): Promise<void> {
    return this.#until(() => this.#closed.has(key))
  }

  open(key: string, answer = key): void {
    this.#open.get(key)?.write(answer)
  }

  async close(): Promise<void> {
    for (const socket of this.#open.values()) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #until(met: () => boolean): Promise<void> {
    while (!met()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export { Outcome }
