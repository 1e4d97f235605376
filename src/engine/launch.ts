/** From what a client sent to what is written down: every problem found at once, every default filled in. */

import { createHash } from 'node:crypto'
import { type AskedStrategy, type BatchSpec, FETCH_TIMEOUT_MS, type Source, type StageSpec } from '../domain/batch.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import { defaultConcurrency } from '../domain/strategy.js'
import type { UploadedFile } from '../domain/upload.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { Idempotency, NewSourceFile } from '../store/store.js'
import { Checker } from './checks.js'
import type {
  BatchInput,
  LaunchComputeInput,
  LaunchFetchInput,
  LaunchOptionsInput,
  LaunchPipelineInput,
} from './engine.js'
import { type LaunchLimits, MAX_COLLECTED_ITEMS, MAX_INT, MAX_SPEC_CHARACTERS } from './limits.js'
import { type CheckedSource, SourceChecks } from './sources.js'
import { StageChecks } from './stages.js'

/** A launch that can be written down. */
export interface CheckedLaunch {
  spec: BatchSpec
  /** The items of a list; null for any other source. */
  items: unknown[] | null
  /** The file of a file source. */
  upload: UploadedFile | null
  idempotencyKey: string | null
  /** Of everything that the launch asks for, its key apart: equal inputs have equal hashes. */
  inputHash: string
}

/** What is known of the work also where something is wrong with it. */
export type KnownWork = Pick<Work, 'source' | 'stages'>

export type CheckResult =
  | { launch: CheckedLaunch; userErrors: null; known: KnownWork }
  | { launch: null; userErrors: UserError[]; known: KnownWork | null }

/** The work of a launch, checked. */
interface Work {
  kind: BatchSpec['kind']
  source: CheckedSource
  stages: StageSpec[]
}

const INPUT: Path = ['input']

/** Checks one launch. The paths say where each of them is in what the client sent. */
export class LaunchChecks {
  readonly #problems: Problems
  readonly #check: Checker
  readonly #sources: SourceChecks

  /** `problems`: those of the whole input, where the launch is a part of it. */
  constructor(
    private readonly limits: LaunchLimits,
    private readonly functions: FunctionCatalog,
    problems = new Problems(),
  ) {
    this.#problems = problems
    this.#check = new Checker(problems)
    this.#sources = new SourceChecks(this.#check, limits, functions)
  }

  /** The one that is there of the three. */
  batch({ fetch, compute, pipeline }: BatchInput, path: Path): CheckResult {
    if (fetch) return this.fetch(fetch, [...path, 'fetch'])
    if (compute) return this.compute(compute, [...path, 'compute'])
    if (pipeline) return this.pipeline(pipeline, [...path, 'pipeline'])
    this.#problems.add('INVALID', path, 'null is not a batch: one of fetch, compute and pipeline is expected')
    return { launch: null, userErrors: this.#problems.list(), known: null }
  }

  fetch(input: LaunchFetchInput, path: Path = INPUT): CheckResult {
    const source = this.#sources.fetch(input.source, [...path, 'source'])
    const fetch = this.#check.fetchOptions(input.fetch, [...path, 'fetch'])
    return this.#finish({ kind: 'FETCH', source, stages: [{ kind: 'FETCH', name: 'fetch', fetch }] }, input, path)
  }

  compute(input: LaunchComputeInput, path: Path = INPUT): CheckResult {
    const name = this.#check.functionName(input.function, this.functions, [...path, 'function'])
    const source = this.#sources.compute(input.source, name, [...path, 'source'])
    const reduce = input.reduce ?? null
    if (reduce === 'COLLECT' && source.source.count > MAX_COLLECTED_ITEMS) {
      this.#problems.add(
        'INVALID',
        [...path, 'reduce'],
        `COLLECT takes at most ${MAX_COLLECTED_ITEMS} items, not ${source.source.count}`,
      )
    }
    const chunkSize = this.#check.whole(input.chunkSize, [...path, 'chunkSize'], [1, 100_000])
    const stage: StageSpec = { kind: 'COMPUTE', name: input.function, function: input.function, chunkSize, reduce }
    return this.#finish({ kind: 'COMPUTE', source, stages: [stage] }, input, path)
  }

  pipeline(input: LaunchPipelineInput, path: Path = INPUT): CheckResult {
    const checks = new StageChecks(this.#check, this.functions)
    const stages = checks.stages(input, path)
    const source = checks.sourceOf(input, this.#sources, [...path, 'source'])
    return this.#finish({ kind: 'PIPELINE', source, stages }, input, path)
  }

  #finish(work: Work, input: { options?: LaunchOptionsInput | null | undefined }, inputPath: Path): CheckResult {
    const { kind, source: checked, stages } = work
    const { source, items, upload } = checked
    const check = this.#check
    const options = input.options ?? {}
    const path = [...inputPath, 'options']
    const strategy = check.strategy(options.strategy, [...path, 'strategy']) ?? 'AUTO'
    const timeoutMs = check.timeoutMs(options.timeoutMs, [...path, 'timeoutMs'])
    const budget = check.budget(options.budget, [...path, 'budget'])
    const spec: BatchSpec = {
      kind,
      name: check.text(options.name, [...path, 'name']),
      labels: check.labels(options.labels, [...path, 'labels']),
      priority: check.whole(options.priority, [...path, 'priority'], [-MAX_INT, MAX_INT]) ?? 0,
      strategy,
      concurrency: this.#concurrency(kind, strategy, check.concurrency(options.concurrency, [...path, 'concurrency'])),
      lanes: check.whole(options.lanes, [...path, 'lanes'], [1, this.limits.maxLanes]),
      failFast: options.failFast ?? false,
      retry: check.retry(options.retry, [...path, 'retry']),
      timeoutMs: timeoutMs ?? (kind === 'FETCH' ? FETCH_TIMEOUT_MS : null),
      ...(budget && { budget }),
      source,
      stages,
    }
    this.#bound(spec, inputPath)
    const idempotencyKey = check.key(options.idempotencyKey, [...path, 'idempotencyKey'])
    if (this.#problems.count > 0) return { launch: null, userErrors: this.#problems.list(), known: work }
    const inputHash = hashOf({ spec: { ...spec, source: comparable(source) }, items })
    return { launch: { spec, items, upload, idempotencyKey, inputHash }, userErrors: null, known: work }
  }

  /** It is read with each look at its run, a thousand of them in one page. */
  #bound(spec: BatchSpec, path: Path): void {
    const characters = JSON.stringify(spec).length
    if (characters <= MAX_SPEC_CHARACTERS) return
    const asked = `all that is asked besides the items has ${characters} characters`
    this.#problems.add(
      'INVALID',
      path,
      `${asked} where ${MAX_SPEC_CHARACTERS} are the most: headers, template, labels, stages`,
    )
  }

  /** Stages of a pipeline have theirs each. */
  #concurrency(kind: BatchSpec['kind'], strategy: AskedStrategy, asked: number | null): number | null {
    return asked ?? (kind === 'PIPELINE' ? null : defaultConcurrency(strategy, kind))
  }
}

/** Files are the same where their bytes are, whatever they are called. */
function comparable(source: Source): object {
  return source.kind === 'file' ? { ...source, name: null } : source
}

/** `space`: see Engine.launchFetch. */
export function idempotencyOf({ idempotencyKey, inputHash }: CheckedLaunch, space: string): Idempotency | null {
  return idempotencyKey === null ? null : { space, key: idempotencyKey, inputHash }
}

export function fileOf({ upload }: CheckedLaunch): NewSourceFile | null {
  if (upload?.content.kind !== 'lines') return null
  const { file, table } = upload.content
  return { file, stretches: table.stretches }
}

/** SHA-256 over the value's JSON with all keys in order. */
export function hashOf(value: unknown): string {
  const ordered = (_: string, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  return createHash('sha256').update(JSON.stringify(value, ordered)).digest('hex')
}
