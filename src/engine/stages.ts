/** Checks the stages of pipelines, and whether their source is one that the first of them can take. */

import type { StageSpec } from '../domain/batch.js'
import { pointerProblem } from '../domain/hand-over.js'
import type { Path } from '../domain/problems.js'
import { shown } from '../domain/requests.js'
import { defaultConcurrency } from '../domain/strategy.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { Checker } from './checks.js'
import type {
  ComputeStageInput,
  FetchStageInput,
  LaunchOptionsInput,
  LaunchPipelineInput,
  StageInput,
} from './engine.js'
import { MAX_STAGES } from './limits.js'
import type { CheckedSource, SourceChecks } from './sources.js'

/** By which fields the items of a source are told, and to what kind of stage they can go. */
const SOURCES_OF = {
  FETCH: ['urls', 'requests', 'template', 'file'],
  COMPUTE: ['inputs', 'range', 'file'],
} as const

interface Place {
  path: Path
  isFirst: boolean
  options: LaunchOptionsInput
}

export class StageChecks {
  constructor(
    private readonly check: Checker,
    private readonly functions: FunctionCatalog,
  ) {}

  /** `path`: of the pipeline. */
  stages({ stages, options }: LaunchPipelineInput, path: Path): StageSpec[] {
    const place = [...path, 'stages']
    if (stages.length === 0) this.check.invalid(place, [], 'a list of at least one stage')
    if (stages.length > MAX_STAGES) {
      this.check.problems.add('INVALID', place, `${stages.length} stages are more than ${MAX_STAGES}`)
      return []
    }
    return stages.flatMap((stage, at) =>
      this.#stage(stage, { path: [...place, at], isFirst: at === 0, options: options ?? {} }),
    )
  }

  /** The source, as the first stage takes it. */
  sourceOf({ source, stages: [first] }: LaunchPipelineInput, sources: SourceChecks, path: Path): CheckedSource {
    // That there is none is told where the stages are.
    if (first === undefined) return sources.nothing
    const kind = first.fetch ? 'FETCH' : 'COMPUTE'
    const given = Object.entries(source).find(([, value]) => value !== null && value !== undefined)?.[0]
    const takes: readonly string[] = SOURCES_OF[kind]
    if (given !== undefined && !takes.includes(given)) {
      const what = kind === 'FETCH' ? 'a fetch' : 'a compute'
      const message = `${given} cannot go to ${what}, which the first stage is: it takes one of ${takes.join(', ')}`
      this.check.problems.add('INVALID', [...path, given], message)
      return sources.nothing
    }
    if (kind === 'FETCH') return sources.fetch(source, path)
    const name = first.compute?.function ?? ''
    return sources.compute(source, this.functions.has(name) ? name : null, path)
  }

  #stage({ fetch, compute }: StageInput, place: Place): StageSpec[] {
    if (fetch) return [this.#fetch(fetch, { ...place, path: [...place.path, 'fetch'] })]
    if (compute) return [this.#compute(compute, { ...place, path: [...place.path, 'compute'] })]
    this.check.problems.add('INVALID', place.path, 'null is not a stage: one of fetch and compute is expected')
    return []
  }

  #fetch(input: FetchStageInput, place: Place): StageSpec {
    const { path } = place
    return {
      kind: 'FETCH',
      name: this.check.text(input.name, [...path, 'name']) ?? 'fetch',
      fetch: this.check.fetchOptions(input.fetch, [...path, 'fetch']),
      from: this.#from(input.urlFrom, 'urlFrom', place),
      ...this.#execution('FETCH', input, place),
    }
  }

  #compute(input: ComputeStageInput, place: Place): StageSpec {
    const { path } = place
    this.check.functionName(input.function, this.functions, [...path, 'function'])
    return {
      kind: 'COMPUTE',
      name: this.check.text(input.name, [...path, 'name']) ?? input.function,
      function: input.function,
      chunkSize: null,
      reduce: null,
      from: this.#from(input.inputFrom, 'inputFrom', place),
      ...this.#execution('COMPUTE', input, place),
    }
  }

  #execution(
    kind: StageSpec['kind'],
    { strategy, concurrency }: FetchStageInput | ComputeStageInput,
    { path, options }: Place,
  ): Required<Pick<StageSpec, 'strategy' | 'concurrency'>> {
    const own = this.check.strategy(strategy, [...path, 'strategy'])
    // What is wrong with the batch's is told once, at its own place.
    const chosen = own ?? (options.strategy === 'CLUSTER' ? 'AUTO' : (options.strategy ?? 'AUTO'))
    const asked = this.check.concurrency(concurrency, [...path, 'concurrency'])
    return { strategy: chosen, concurrency: asked ?? options.concurrency ?? defaultConcurrency(chosen, kind) }
  }

  #from(pointer: string | null | undefined, field: string, { path, isFirst }: Place): string {
    if (pointer === null || pointer === undefined) return ''
    const place = [...path, field]
    const problem = pointerProblem(pointer)
    // The whole of nothing is what it has.
    if (isFirst && pointer !== '') {
      const message = `${shown(pointer)} points into nothing: the first stage has no stage before it`
      this.check.problems.add('INVALID', place, message)
    } else if (problem !== null) this.check.invalid(place, pointer, problem)
    return pointer
  }
}
