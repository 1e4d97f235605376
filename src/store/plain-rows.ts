/** Rows that are times and an output, or a fetch's detail besides: many in one INSERT, straight from the columns. */

import type Database from 'better-sqlite3'
import { cellsAt, type FetchCells } from '../domain/fetch-column.js'
import { readyAtOf } from '../domain/queue-wait.js'
import { outputAt, type ResultColumns } from '../domain/results.js'
import { FETCH_COLUMNS } from './rows.js'
import type { TaskBlock } from './store.js'

/** Cells bound for each row; the run, the stage and the lane are bound once a statement. */
const TIMES = [
  'sequence',
  'itemIndex',
  'status',
  'attempts',
  'startedMs',
  'queueWaitMs',
  'serviceMs',
  'cpuMs',
  'output',
] as const

/** Rows of one INSERT. Above 64 nothing is gained: 2.8 µs a row, against 3.6 with one row each. */
const ROWS_AT_ONCE = 64

type Cell = number | string | Uint8Array | null

/** What all rows of a block have in common. */
export interface Shared {
  runId: number
  stage: number
  lane: number | null
}

/** The statements of one shape of rows, and the cells that are bound again and again: no garbage. */
class Shape {
  readonly cells: Cell[]
  readonly #insertMany: Database.Statement
  readonly #insertOne: Database.Statement

  constructor(
    db: Database.Database,
    readonly columns: readonly string[],
  ) {
    this.cells = new Array<Cell>(ROWS_AT_ONCE * columns.length).fill(null)
    this.#insertMany = db.prepare(insertInto(columns, ROWS_AT_ONCE))
    this.#insertOne = db.prepare(insertInto(columns, 1))
  }

  insert(rows: number, shared: Shared): void {
    if (rows === ROWS_AT_ONCE) {
      this.#insertMany.run(this.cells, shared)
      return
    }
    const width = this.columns.length
    for (let row = 0; row < rows; row++) this.#insertOne.run(this.cells.slice(row * width, (row + 1) * width), shared)
  }
}

export class PlainInserter {
  readonly #timed: Shape
  readonly #fetched: Shape

  constructor(db: Database.Database) {
    this.#timed = new Shape(db, TIMES)
    this.#fetched = new Shape(db, [...TIMES, ...FETCH_COLUMNS])
  }

  /** Takes the plain rows of one block. `noteHost` is told of each fetch's host. */
  rowsOf(block: TaskBlock, shared: Shared, noteHost: (host: string) => void): PlainRows {
    return new PlainRows({ block, shared, noteHost, timed: this.#timed, fetched: this.#fetched })
  }
}

interface Options {
  block: TaskBlock
  shared: Shared
  noteHost(host: string): void
  timed: Shape
  fetched: Shape
}

/** Gathers rows of one shape, and hands them on when there are enough or the shape changes. */
class PlainRows {
  #shape: Shape
  #rows = 0

  constructor(private readonly options: Options) {
    this.#shape = options.timed
  }

  add(at: number, sequence: number): void {
    const { block, timed, fetched, noteHost } = this.options
    const fetch = cellsAt(block.columns.fetches, at)
    this.#take(fetch === null ? timed : fetched)
    const { cells, columns } = this.#shape
    const base = this.#rows * columns.length
    fillTimes(cells, base, { block, at, sequence })
    if (fetch !== null) {
      fillFetch(cells, base + TIMES.length, fetch)
      noteHost(fetch.host)
    }
    this.#rows += 1
    if (this.#rows === ROWS_AT_ONCE) this.flush()
  }

  flush(): void {
    if (this.#rows > 0) this.#shape.insert(this.#rows, this.options.shared)
    this.#rows = 0
  }

  #take(shape: Shape): void {
    if (shape === this.#shape) return
    this.flush()
    this.#shape = shape
  }
}

function fillTimes(
  cells: Cell[],
  base: number,
  { block, at, sequence }: { block: TaskBlock; at: number; sequence: number },
) {
  const { columns, runStartedAt } = block
  const startedAt = columns.startedAt[at]!
  const readyAt = readyAtOf(block, at, startedAt)
  // What has another item's answer never started.
  const hasStarted = columns.attempts[at] !== 0
  let cell = base
  cells[cell++] = sequence
  cells[cell++] = columns.indexes[at]!
  cells[cell++] = columns.outcomes[at]!
  cells[cell++] = columns.attempts[at]!
  cells[cell++] = hasStarted ? startedAt - runStartedAt : null
  cells[cell++] = hasStarted ? Math.max(0, startedAt - readyAt) : null
  cells[cell++] = columns.serviceMs[at]!
  cells[cell++] = measuredCpuMs(columns, at)
  cells[cell] = outputAt(columns.outputs, at)
}

/** In the order of FETCH_COLUMNS. */
function fillFetch(cells: Cell[], base: number, fetch: FetchCells): void {
  let cell = base
  cells[cell++] = fetch.url
  cells[cell++] = fetch.finalUrl
  cells[cell++] = fetch.host
  cells[cell++] = fetch.status
  cells[cell++] = fetch.bytes
  cells[cell++] = fetch.sha256
  cells[cell++] = fetch.contentType
  cells[cell++] = fetch.redirects
  cells[cell++] = fetch.dnsMs
  cells[cell++] = fetch.connectMs
  cells[cell++] = fetch.tlsMs
  cells[cell++] = fetch.firstByteMs
  cells[cell++] = fetch.downloadMs
  cells[cell] = fetch.reusedConnection === null ? null : Number(fetch.reusedConnection)
}

/** Null where it was not measured for the single task. */
export function measuredCpuMs({ cpuMs }: ResultColumns, at: number): number | null {
  const value = cpuMs?.[at]
  return value === undefined || Number.isNaN(value) ? null : value
}

function insertInto(columns: readonly string[], rows: number): string {
  const names = ['runId', 'stage', 'lane', ...columns].map((name) => `"${name}"`).join()
  const values = `(@runId, @stage, @lane${', ?'.repeat(columns.length)})`
  return `INSERT INTO "Task" (${names}) VALUES ${Array(rows).fill(values).join()}`
}
