/** The types that refer to each other, named before any of them is described. */

import type { Json } from '../domain/batch.js'
import type { ComparedRun, ComparisonRecord } from '../domain/comparison.js'
import type { TaskRecord } from '../domain/task.js'
import { type Engine, InputsTooLarge, type RunView } from '../engine/engine.js'
import { builder } from './builder.js'
import { badUserInput } from './errors.js'

export const RunType = builder.objectRef<RunView>('Run')

/** One item in one stage. */
interface Place {
  stage: number
  index: number
}

/** The inputs of a page of tasks: those of a stage are read in one call, and only if one of them is asked for. */
export class InputBatch {
  readonly #inputs = new Map<number, Promise<Map<number, Json>>>()
  readonly #lengths = new Map<string, number>()

  constructor(
    readonly engine: Engine,
    readonly run: RunView,
    readonly places: readonly Place[],
  ) {}

  async at({ stage, index }: Place): Promise<Json> {
    const known = this.#inputs.get(stage) ?? this.#read(stage)
    this.#inputs.set(stage, known)
    return (await known).get(index) ?? null
  }

  /** Characters of an input's JSON, about. */
  lengthOf({ stage, index }: Place, input: Json): number {
    if (typeof input === 'string') return input.length
    if (typeof input !== 'object' || input === null) return 0
    const place = `${stage} ${index}`
    const length = this.#lengths.get(place) ?? JSON.stringify(input).length
    this.#lengths.set(place, length)
    return length
  }

  #read(stage: number): Promise<Map<number, Json>> {
    const indexes = this.places.filter((place) => place.stage === stage).map(({ index }) => index)
    return this.engine.inputs(this.run.record, stage, indexes).catch((error: unknown) => {
      throw error instanceof InputsTooLarge ? badUserInput(error.message) : error
    })
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
  const inputs = new InputBatch(engine, run, records)
  return records.map((record) => new TaskNode(run, record, inputs))
}

export const TaskType = builder.objectRef<TaskNode>('Task')

/** A comparison, and what is compared: read once, and only if something is asked that follows from it. */
export class ComparisonNode {
  #runs: Promise<ComparedRun[]> | null

  constructor(
    readonly record: ComparisonRecord,
    private readonly engine: Pick<Engine, 'comparedRuns'>,
    runs: ComparedRun[] | null = null,
  ) {
    this.#runs = runs && Promise.resolve(runs)
  }

  runs(): Promise<ComparedRun[]> {
    this.#runs ??= this.engine.comparedRuns(this.record)
    return this.#runs
  }
}

export const ComparisonType = builder.objectRef<ComparisonNode>('Comparison')
