/** The tasks of a run with their inputs, in the order of index and stage, for a file of any length. Runs in the thread that exports. */

import type Database from 'better-sqlite3'
import { compactInput, type Json } from '../domain/batch.js'
import type { ExportedRun, ExportedTask } from '../domain/exports/export.js'
import { handOver, linkAfter } from '../domain/hand-over.js'
import { shownInput, toldInput, toldItem } from '../domain/shown-input.js'
import type { TaskRecord } from '../domain/task.js'
import { ComparisonRows } from './comparisons.js'
import { Queries } from './query.js'
import { TASK_COLUMNS, type TaskCells, toTaskRecord } from './rows.js'
import { SourceBlocks } from './source-blocks.js'
import { FileItems } from './source-files.js'
import { LaneNames } from './task-lists.js'

/** Of a page, whichever comes first: outputs may be long. */
const PAGE_ROWS = 500
const PAGE_CHARS = 1_048_576

const COLUMNS = TASK_COLUMNS.map((column) => `"${column}"`).join()
const OUTPUT = TASK_COLUMNS.indexOf('output')
const HISTORY = TASK_COLUMNS.indexOf('history')

/** Nobody holds the run while it is read: it can be deleted meanwhile, and what is left then is not all of it. */
export class RunIsGone extends Error {
  override readonly name = 'RunIsGone'
}

export class ExportTasks {
  readonly #rows: Database.Statement<[number, number, number, number], TaskCells>
  readonly #last: Database.Statement<[number], number | null>
  readonly #isThere: Database.Statement<[number], 1>
  readonly #lanes: LaneNames
  readonly #blocks: SourceBlocks
  readonly #files: FileItems
  readonly #uploadsDir: string

  constructor(db: Database.Database, uploadsDir: string) {
    this.#uploadsDir = uploadsDir
    this.#rows = db
      .prepare<[number, number, number, number], TaskCells>(
        `SELECT ${COLUMNS} FROM "Task" INDEXED BY "Task_runId_itemIndex_stage_key"
         WHERE "runId" = ? AND ("itemIndex", "stage") > (?, ?) AND "sequence" <= ?
         ORDER BY "itemIndex", "stage" LIMIT ${PAGE_ROWS}`,
      )
      .raw()
    this.#last = db.prepare<[number], number | null>('SELECT max("sequence") FROM "Task" WHERE "runId" = ?').pluck()
    this.#isThere = db.prepare<[number], 1>('SELECT 1 FROM "Run" WHERE "id" = ?').pluck()
    this.#lanes = new LaneNames(new Queries(db))
    const ownBlock = db.prepare<[number, number], { first: number; count: number; items: string }>(
      `SELECT "first", "count", "items" FROM "SourceBlock" WHERE "runId" = ? AND "first" <= ? ORDER BY "first" DESC LIMIT 1`,
    )
    const comparisons = new ComparisonRows(db)
    this.#blocks = new SourceBlocks(
      async (runId, index) => ownBlock.get(runId, index) ?? comparisons.blockAt(runId, index),
    )
    this.#files = new FileItems(db)
  }

  /** What had ended when it was asked for. Rejects where not all of it is there any more. */
  async *read(run: ExportedRun): AsyncGenerator<ExportedTask[], void> {
    const last = this.#last.get(run.id) ?? 0
    let count = 0
    let before: TaskRecord | null = null
    for (;;) {
      const page = this.#page(run.id, before, last)
      this.refuseGone(run)
      if (page.length === 0) break
      yield* this.#withInputs(run, page, before)
      count += page.length
      before = page.at(-1) ?? null
    }
    // Sequence numbers have no gaps.
    if (count !== last) throw new Error(`${count} of the ${last} tasks of run ${run.key} could be read`)
  }

  /** Throws RunIsGone. What was read before is of a run that was there. */
  refuseGone({ id, key }: ExportedRun): void {
    if (this.#isThere.get(id) === undefined) throw new RunIsGone(`the run ${key} was deleted while it was read`)
  }

  #page(runId: number, after: TaskRecord | null, last: number): TaskRecord[] {
    const page: TaskRecord[] = []
    let chars = 0
    for (const cells of this.#rows.iterate(runId, after?.index ?? -1, after?.stage ?? 0, last)) {
      page.push(toTaskRecord(cells, (number) => this.#lanes.nameOf(runId, number)))
      chars += charsOf(cells[OUTPUT]) + charsOf(cells[HISTORY])
      if (chars >= PAGE_CHARS) break
    }
    return page
  }

  async *#withInputs(
    run: ExportedRun,
    page: readonly TaskRecord[],
    before: TaskRecord | null,
  ): AsyncGenerator<ExportedTask[], void> {
    for (let from = 0; from < page.length; ) {
      const items = await this.#items(run, page.slice(from))
      const told: ExportedTask[] = []
      for (let at = from; at < page.length; at += 1) {
        const task = page[at]!
        if (task.stage === 0 && !items.has(task.index)) break
        const input = task.stage === 0 ? items.get(task.index)! : handedOver(run, task, page[at - 1] ?? before)
        told.push({ task, input: shownInput(run.spec, task.stage, input) })
      }
      yield told
      from += told.length
    }
  }

  /** Of the first stage's tasks. Lines of a file may be long: of those not all may come, but the first. */
  async #items({ id, spec: { source } }: ExportedRun, tasks: readonly TaskRecord[]): Promise<Map<number, Json>> {
    const indexes = tasks.flatMap(({ stage, index }) => (stage === 0 ? [index] : []))
    if (indexes.length === 0) return new Map()
    switch (source.kind) {
      case 'list': {
        const items = await this.#blocks.items(id, indexes)
        return new Map(indexes.map((index) => [index, items.get(index) ?? null]))
      }
      case 'file': {
        const items = this.#files.read(this.#uploadsDir, id, indexes)
        return new Map(items.map((item, at) => [indexes[at]!, toldItem(item)]))
      }
      default:
        return new Map(indexes.map((index) => [index, compactInput(source, index)]))
    }
  }
}

function charsOf(cell: TaskCells[number] | undefined): number {
  return typeof cell === 'string' ? cell.length : 0
}

/** The task of the stage before is the one before in the order of the file; null where it is not there yet. */
function handedOver({ spec }: ExportedRun, { stage, index }: TaskRecord, before: TaskRecord | null): Json {
  const link = linkAfter(spec, stage - 1)
  if (link === null || before === null || before.index !== index || before.stage !== stage - 1) return null
  return before.status === 'SUCCEEDED' ? toldInput(handOver(link, before)) : null
}
