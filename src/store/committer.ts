/** Writes commits: the hot path, straight from the columns that lanes report to prepared statements. Runs in the writer's thread. */

import type Database from 'better-sqlite3'
import { fetchAt } from '../domain/fetch-column.js'
import { readyAtOf } from '../domain/queue-wait.js'
import { Outcome, outputAt } from '../domain/results.js'
import { isFinalRunStatus } from '../domain/run.js'
import { STORED_TASK_STATUS, type TaskRecord } from '../domain/task.js'
import { AttemptPacker } from './attempt-packer.js'
import { PartSums } from './part-sums.js'
import { measuredCpuMs, PlainInserter } from './plain-rows.js'
import type { Publisher } from './publisher.js'
import { RUN_STATE_COLUMNS, TASK_COLUMNS, toRunStateRow, toTaskCells } from './rows.js'
import { RunNames } from './run-names.js'
import type { Commit, TaskBlock } from './store.js'

const REPLACING_SKETCHES = `ON CONFLICT DO UPDATE
  SET "service" = excluded."service", "queueWait" = excluded."queueWait", "phases" = excluded."phases"`

/** Failed tasks of one code in a commit. */
interface ErrorTally {
  count: number
  sampleSequence: number
  message: string
}

export class Committer {
  readonly #names: RunNames
  readonly #publisher: Publisher
  readonly #packer: AttemptPacker
  readonly #parts: PartSums
  readonly #plain: PlainInserter
  readonly #insertFull: Database.Statement
  readonly #addErrors: Database.Statement
  readonly #putSketch: Database.Statement
  readonly #putStageSketch: Database.Statement
  readonly #updateRun: Database.Statement
  readonly #transaction: Database.Transaction<(commits: readonly Commit[]) => boolean>

  constructor(db: Database.Database, publisher: Publisher) {
    this.#names = new RunNames(db)
    this.#publisher = publisher
    this.#packer = new AttemptPacker(db, this.#names)
    this.#parts = new PartSums(db)
    this.#plain = new PlainInserter(db)
    this.#insertFull = db.prepare(
      `INSERT INTO "Task" ("runId", ${quoted(TASK_COLUMNS)}) VALUES (?, ${TASK_COLUMNS.map(() => '?').join()})`,
    )
    this.#addErrors = db.prepare(
      `INSERT INTO "RunError" ("runId", "code", "count", "sampleSequence", "message") VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET "count" = "count" + excluded."count"`,
    )
    this.#putSketch = db.prepare(
      `INSERT INTO "RunSketch" ("runId", "service", "queueWait", "phases") VALUES (?, ?, ?, ?) ${REPLACING_SKETCHES}`,
    )
    this.#putStageSketch = db.prepare(
      `INSERT INTO "StageSketch" ("runId", "stage", "service", "queueWait", "phases") VALUES (?, ?, ?, ?, ?)
       ${REPLACING_SKETCHES}`,
    )
    this.#updateRun = db.prepare(
      `UPDATE "Run" SET ${RUN_STATE_COLUMNS.map((column) => `"${column}" = @${column}`).join()} WHERE "id" = @id`,
    )
    this.#transaction = db.transaction((commits) => {
      let isAllDone = true
      for (const commit of commits) isAllDone = this.#write(commit) && isAllDone
      return isAllDone
    })
  }

  /** All of it or, where it throws, nothing. False where a run has ended whose parts are yet to be made from its rows. */
  commit(commits: readonly Commit[]): boolean {
    const isAllDone = this.#tryAll(commits)
    this.#publisher.committed()
    for (const { runId, state } of commits) {
      if (!isFinalRunStatus(state.status)) continue
      this.#names.forget(runId)
      this.#packer.forget(runId)
      this.#publisher.ended(runId)
    }
    return isAllDone
  }

  #tryAll(commits: readonly Commit[]): boolean {
    try {
      return this.#transaction.immediate(commits)
    } catch (error) {
      // What was numbered and added up in the transaction was rolled back with it.
      this.#names.forgetAll()
      this.#parts.forgetAll()
      this.#publisher.rolledBack()
      throw error
    }
  }

  #write({ runId, state, blocks, sketches, stageSketches }: Commit): boolean {
    const { changes } = this.#updateRun.run({ id: runId, ...toRunStateRow(state) })
    if (changes !== 1) throw new Error(`run ${runId} is not there: its commit cannot be written`)
    const errors = new Map<string, ErrorTally>()
    for (const block of blocks) this.#writeBlock({ runId, totalTasks: state.counts.total }, block, errors)
    for (const [code, { count, sampleSequence, message }] of errors)
      this.#addErrors.run(runId, code, count, sampleSequence, message)
    if (sketches) this.#putSketch.run(runId, sketches.service, sketches.queueWait, sketches.phases)
    for (const { stage, service, queueWait, phases } of stageSketches)
      this.#putStageSketch.run(runId, stage, service, queueWait, phases)
    return state.finishedAt === null || this.#parts.finish(runId, state.lastTaskSequence)
  }

  #writeBlock(run: { runId: number; totalTasks: number }, block: TaskBlock, errors: Map<string, ErrorTally>): void {
    const { runId } = run
    const { columns, dropped, stage, runStartedAt } = block
    const lane = block.lane === null ? null : this.#names.laneNumber(runId, block.lane)
    const special = new SpecialPlaces(block)
    const plain = this.#plain.rowsOf(block, { runId, stage, lane }, (host) => {
      this.#names.noteHost(runId, host)
    })
    const segment = this.#packer.open(runId, block.firstSequence, run.totalTasks)
    // Only what has another item's answer has no lane: it has no attempt either.
    const frame = { lane: lane ?? 0, stage, runStartedAt }
    let sequence = block.firstSequence
    for (let at = 0; at < columns.count; at++) {
      if (dropped?.has(at)) continue
      if (columns.outcomes[at]! > Outcome.CANCELLED)
        throw new Error(`item ${columns.indexes[at]} of run ${runId} was not started and cannot have a row`)
      if (special.has(at)) {
        const task = special.task(at, sequence)
        this.#insertTask(runId, task, errors)
        segment?.addTask(task)
      } else {
        plain.add(at, sequence)
        segment?.addPlain(columns, at, frame)
      }
      sequence += 1
    }
    plain.flush()
    this.#parts.add(runId, block)
    this.#publisher.publish(runId, block)
  }

  #insertTask(runId: number, task: TaskRecord, errors: Map<string, ErrorTally>): void {
    const lane = task.lane === null ? null : this.#names.laneNumber(runId, task.lane)
    this.#insertFull.run(runId, ...toTaskCells(task, lane))
    if (task.fetch) this.#names.noteHost(runId, task.fetch.host)
    if (task.status !== 'FAILED' || !task.error) return
    const tally = errors.get(task.error.code)
    if (tally) tally.count += 1
    else errors.set(task.error.code, { count: 1, sampleSequence: task.sequence, message: task.error.message })
  }
}

/** The places of a block whose rows are more than plain: errors, several attempts, tasks that never started. */
class SpecialPlaces {
  readonly #errors: ReadonlyMap<number, TaskRecord['error']>
  readonly #histories: ReadonlyMap<number, TaskRecord['history']>

  constructor(readonly block: TaskBlock) {
    this.#errors = new Map(block.columns.errors.map(({ at, error }) => [at, error]))
    this.#histories = new Map(block.histories.map(({ at, attempts }) => [at, attempts]))
  }

  has(at: number): boolean {
    const { startedAt, attempts } = this.block.columns
    if (this.#errors.has(at) || this.#histories.has(at)) return true
    return !(startedAt[at]! > 0) && attempts[at] !== 0
  }

  task(at: number, sequence: number): TaskRecord {
    const { stage, columns, lane } = this.block
    const history = this.#histories.get(at) ?? null
    const started = columns.startedAt[at]! > 0
    return {
      sequence,
      stage,
      index: columns.indexes[at]!,
      status: STORED_TASK_STATUS[columns.outcomes[at]!]!,
      output: outputAt(columns.outputs, at),
      error: this.#errors.get(at) ?? null,
      attempts: columns.attempts[at]!,
      history,
      lane: started || history ? lane : null,
      ...this.#times(at, history),
      cpuMs: started ? measuredCpuMs(columns, at) : null,
      fetch: fetchAt(columns.fetches, at),
    }
  }

  #times(at: number, history: TaskRecord['history']): Pick<TaskRecord, 'startedMs' | 'queueWaitMs' | 'serviceMs'> {
    const { columns, runStartedAt } = this.block
    const startedAt = columns.startedAt[at]!
    if (!history?.length && !(startedAt > 0)) {
      // What has another item's answer took no time; what was cancelled before it started has none.
      return { startedMs: null, queueWaitMs: null, serviceMs: columns.attempts[at] === 0 ? 0 : null }
    }
    const startedMs = history?.[0] ? history[0].startedMs : startedAt - runStartedAt
    return {
      startedMs,
      queueWaitMs: Math.max(0, startedMs + (runStartedAt - readyAtOf(this.block, at, startedMs + runStartedAt))),
      serviceMs: history?.length
        ? history.reduce((sum, attempt) => sum + attempt.serviceMs, 0)
        : columns.serviceMs[at]!,
    }
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join()
}
