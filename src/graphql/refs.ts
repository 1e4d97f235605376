/** The two types that refer to each other, named before either is described. */

import type { Json } from '../domain/batch.js'
import type { TaskRecord } from '../domain/task.js'
import { type Engine, InputsTooLarge, type RunView } from '../engine/engine.js'
import { builder } from './builder.js'
import { badUserInput } from './errors.js'

export const RunType = builder.objectRef<RunView>('Run')

/** The inputs of a page of items: read in one call, and only if one of them is asked for. */
export class InputBatch {
  #inputs: Promise<Map<number, Json>> | null = null

  constructor(
    readonly engine: Engine,
    readonly run: RunView,
    readonly indexes: readonly number[],
  ) {}

  async at(index: number): Promise<Json> {
    this.#inputs ??= this.engine.inputs(this.run.record, this.indexes).catch((error: unknown) => {
      throw error instanceof InputsTooLarge ? badUserInput(error.message) : error
    })
    return (await this.#inputs).get(index) ?? null
  }
}

/** A task that has ended, with the run that it belongs to. */
export class TaskNode {
  constructor(
    readonly run: RunView,
    readonly record: TaskRecord,
    readonly inputs: InputBatch,
  ) {}
}

/** Tasks of one run that are shown together. */
export function taskNodes(engine: Engine, run: RunView, records: readonly TaskRecord[]): TaskNode[] {
  const inputs = new InputBatch(
    engine,
    run,
    records.map((record) => record.index),
  )
  return records.map((record) => new TaskNode(run, record, inputs))
}

export const TaskType = builder.objectRef<TaskNode>('Task')
