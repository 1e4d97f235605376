/** Reads that touch every task of a run. They run in the reader's thread, in steps, and answer in arrays of numbers where they can. */

import type Database from 'better-sqlite3'
import type { LastTask } from '../domain/diagnostic.js'
import { type ByPhase, byPhase, PHASES } from '../domain/fetch-phases.js'
import { type Given, handOver, type StageLink } from '../domain/hand-over.js'
import type { Attempt } from '../domain/task.js'
import type { HandedOver, TimeColumn } from './store.js'

/** Rows taken at a time: enough that a step's own cost is nothing, few enough that its rows stay small in memory. */
const STEP_ROWS = 50_000

/** Of one answer, so that a page of long ones stays bounded. */
const MAX_HANDED_OVER_CHARS = 16 * 1024 * 1024

type HandedOverCells = [
  output: string | null,
  url: string | null,
  httpStatus: number | null,
  bytes: number | null,
  sha256: Uint8Array | null,
  contentType: string | null,
  startedMs: number | null,
  serviceMs: number | null,
  history: string | null,
]

export class BulkReads {
  readonly #db: Database.Database

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** One bit an index, see IndexSet.fromBits. */
  endedIndexes(runId: number, stage: number, total: number): Uint32Array {
    return this.#indexes({ runId, stage, total, where: '' })
  }

  /** The same of those that have succeeded. */
  succeededIndexes(runId: number, stage: number, total: number): Uint32Array {
    return this.#indexes({ runId, stage, total, where: 'AND "status" = 0' })
  }

  #indexes({
    runId,
    stage,
    total,
    where,
  }: {
    runId: number
    stage: number
    total: number
    where: string
  }): Uint32Array {
    const bits = new Uint32Array(Math.ceil(total / 32))
    const step = this.#db
      .prepare<[number, number, number, number], number>(
        `SELECT "itemIndex" FROM "Task" INDEXED BY "Task_runId_itemIndex_stage_key"
         WHERE "runId" = ? AND "itemIndex" > ? AND "stage" = ? ${where} ORDER BY "itemIndex" LIMIT ?`,
      )
      .pluck()
    for (let last = -1; ; ) {
      const indexes = step.all(runId, last, stage, STEP_ROWS)
      for (const index of indexes) if (index < total) bits[index >>> 5]! |= 1 << (index & 31)
      if (indexes.length < STEP_ROWS) return bits
      last = indexes.at(-1)!
    }
  }

  /** See Store.handedOver. */
  handedOver(place: { runId: number; stage: number; link: StageLink }, indexes: readonly number[]): HandedOver[] {
    const { runId, stage, link } = place
    const row = this.#db
      .prepare<[number, number, number], HandedOverCells>(
        `SELECT "output", "url", "httpStatus", "bytes", "sha256", "contentType", "startedMs", "serviceMs", "history"
         FROM "Task" WHERE "runId" = ? AND "itemIndex" = ? AND "stage" = ? AND "status" = 0`,
      )
      .raw()
    const found: HandedOver[] = []
    let chars = 0
    for (const index of indexes) {
      const cells = row.get(runId, index, stage)
      if (cells === undefined) continue
      const text = handOver(link, { output: cells[0], fetch: detailOf(cells) })
      chars += text.length
      if (chars > MAX_HANDED_OVER_CHARS && found.length > 0) break
      found.push({ index, text, readyMs: endOf(cells) })
    }
    return found
  }

  /** Of SUCCEEDED and FAILED tasks that had an attempt, in no order. */
  times(runId: number, stage: number | null, column: TimeColumn): Float64Array {
    const step = this.#db
      .prepare<[number, number, number], number>(
        `SELECT "${column}" FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" > ? AND "sequence" <= ? AND "status" < 2 AND "attempts" > 0 AND "${column}" IS NOT NULL
           ${stage === null ? '' : `AND "stage" = ${Number(stage)}`}`,
      )
      .pluck()
    // More may be committed meanwhile: what there was at the beginning is enough.
    const end = this.#lastSequence(runId)
    const times = new Float64Array(end)
    let size = 0
    for (let from = 0; from < end; from += STEP_ROWS) {
      const found = step.all(runId, from, Math.min(end, from + STEP_ROWS))
      times.set(found, size)
      size += found.length
    }
    return size === end ? times : times.slice(0, size)
  }

  /** The times of each phase of the same tasks, where they are fetches: what is null is left out. */
  phaseTimes(runId: number, stage: number | null): ByPhase<Float64Array> {
    const step = this.#db
      .prepare<[number, number, number], (number | null)[]>(
        `SELECT ${PHASES.map((phase) => `"${phase}Ms"`).join()} FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" > ? AND "sequence" <= ? AND "status" < 2 AND "attempts" > 0 AND "url" IS NOT NULL
           ${stage === null ? '' : `AND "stage" = ${Number(stage)}`}`,
      )
      .raw()
    const end = this.#lastSequence(runId)
    const columns = PHASES.map(() => ({ times: new Float64Array(end), size: 0 }))
    for (let from = 0; from < end; from += STEP_ROWS) {
      const rows = step.all(runId, from, Math.min(end, from + STEP_ROWS))
      for (const [at, column] of columns.entries())
        for (const row of rows) if (row[at] !== null) column.times[column.size++] = row[at]!
    }
    return byPhase((phase) => {
      const { times, size } = columns[PHASES.indexOf(phase)]!
      return times.slice(0, size)
    })
  }

  /** See Store. */
  lastTasks(runId: number, stage: number, limit: number): LastTask[] {
    return this.#db
      .prepare<[number, number, number], LastTask>(
        `SELECT "itemIndex" AS "index", "cpuMs", ${ofLastAttempt('serviceMs')} AS "serviceMs",
           ${ofLastAttempt('startedMs')} + ${ofLastAttempt('serviceMs')} AS "endedMs"
         FROM "Task" NOT INDEXED
         WHERE "runId" = ? AND "sequence" > ? AND "stage" = ? AND "status" < 2 AND "attempts" > 0 AND "startedMs" IS NOT NULL`,
      )
      .all(runId, this.#lastSequence(runId) - limit, stage)
  }

  #lastSequence(runId: number): number {
    const last = this.#db.prepare<[number], number | null>('SELECT max("sequence") FROM "Task" WHERE "runId" = ?')
    return last.pluck().get(runId) ?? 0
  }

  /** The outputs of SUCCEEDED tasks of the last stage at the indexes `from` to `to` - 1; null elsewhere. */
  outputs(runId: number, from: number, to: number): (string | null)[] {
    const outputs = new Array<string | null>(to - from).fill(null)
    const rows = this.#db
      .prepare<[number, number, number, number], [number, string | null]>(
        `SELECT "itemIndex", "output" FROM "Task" INDEXED BY "Task_runId_itemIndex_stage_key"
         WHERE "runId" = ? AND "itemIndex" >= ? AND "itemIndex" < ? AND "status" = 0
           AND "stage" = (SELECT json_array_length("spec", '$.stages') - 1 FROM "Run" WHERE "id" = ?)`,
      )
      .raw()
      .all(runId, from, to, runId)
    for (const [index, output] of rows) outputs[index - from] = output
    return outputs
  }
}

function detailOf([, url, status, bytes, sha256, contentType]: HandedOverCells): Given['fetch'] {
  if (url === null) return null
  return { url, status, bytes: bytes ?? 0, sha256: sha256 && Buffer.from(sha256).toString('hex'), contentType }
}

/** Of the last attempt. What has another item's answer never started. */
function endOf([, , , , , , startedMs, serviceMs, history]: HandedOverCells): number {
  const last = history === null ? null : (JSON.parse(history) as Attempt[]).at(-1)
  return last ? last.startedMs + last.serviceMs : (startedMs ?? 0) + (serviceMs ?? 0)
}

/** Where there were several the row has the first one's start, and all their times added up. */
function ofLastAttempt(column: 'startedMs' | 'serviceMs'): string {
  return `coalesce(json_extract("history", '$[#-1].${column}'), "${column}")`
}
