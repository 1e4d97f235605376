/** From what a client sent to what is written down: every problem found at once, every default filled in. */

import { createHash } from 'node:crypto'
import type { BatchSpec, CompactSource, Source, StageSpec } from '../domain/batch.js'
import { compactInput } from '../domain/batch.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import { shown } from '../domain/requests.js'
import { defaultConcurrency } from '../domain/strategy.js'
import type { UploadedFile } from '../domain/upload.js'
import type { FunctionCatalog } from '../functions/function.js'
import { Checker } from './checks.js'
import type { LaunchComputeInput, LaunchFetchInput, LaunchOptionsInput } from './engine.js'
import { type LaunchLimits, MAX_COLLECTED_ITEMS, MAX_INT, MAX_WHOLE } from './limits.js'

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

export type CheckResult = { launch: CheckedLaunch; userErrors: null } | { launch: null; userErrors: UserError[] }

interface CheckedSource {
  source: Source
  items: unknown[] | null
  upload: UploadedFile | null
}

const FETCH_TIMEOUT_MS = 30_000
const INPUT: Path = ['input']
const SOURCE: Path = ['input', 'source']

export class LaunchChecks {
  readonly #problems = new Problems()
  readonly #check = new Checker(this.#problems)

  constructor(
    private readonly limits: LaunchLimits,
    private readonly functions: FunctionCatalog,
  ) {}

  fetch(input: LaunchFetchInput): CheckResult {
    const source = this.#fetchSource(input.source)
    const fetch = this.#check.fetchOptions(input.fetch, [...INPUT, 'fetch'])
    const stage: StageSpec = { kind: 'FETCH', name: 'fetch', fetch }
    return this.#finish(source, stage, input.options ?? {})
  }

  compute(input: LaunchComputeInput): CheckResult {
    const known = this.functions.has(input.function)
    if (!known) {
      const names = this.functions.list().map(({ name }) => name)
      const message = `there is no function ${shown(input.function)}; there are ${names.join(', ')}`
      this.#problems.add('UNKNOWN_FUNCTION', [...INPUT, 'function'], message)
    }
    const source = this.#computeSource(input, known)
    const reduce = input.reduce ?? null
    if (reduce === 'COLLECT' && source.source.count > MAX_COLLECTED_ITEMS) {
      this.#problems.add(
        'INVALID',
        [...INPUT, 'reduce'],
        `COLLECT takes at most ${MAX_COLLECTED_ITEMS} items, not ${source.source.count}`,
      )
    }
    const chunkSize = this.#check.whole(input.chunkSize, [...INPUT, 'chunkSize'], [1, 100_000])
    const stage: StageSpec = { kind: 'COMPUTE', name: input.function, function: input.function, chunkSize, reduce }
    return this.#finish(source, stage, input.options ?? {})
  }

  #fetchSource({ urls, requests, template, file }: LaunchFetchInput['source']): CheckedSource {
    if (file) return this.#fileSource(file, 'requests')
    if (urls) {
      if (this.#listFits(urls, 'urls')) urls.forEach((url, at) => void this.#check.url(url, [...SOURCE, 'urls', at]))
      return { source: { kind: 'list', form: 'urls', count: urls.length }, items: urls, upload: null }
    }
    if (requests) {
      const items = this.#listFits(requests, 'requests')
        ? requests.map((request, at) => this.#check.request(request, [...SOURCE, 'requests', at]))
        : []
      return { source: { kind: 'list', form: 'requests', count: requests.length }, items, upload: null }
    }
    return { source: this.#templateSource(template), items: null, upload: null }
  }

  #templateSource(input: LaunchFetchInput['source']['template']): CompactSource {
    const path = [...SOURCE, 'template']
    if (!input) {
      this.#problems.add(
        'INVALID',
        SOURCE,
        'null is not a source: one of urls, requests, template and file is expected',
      )
      return { kind: 'template', template: '', from: 1, to: 0, step: 1, count: 0 }
    }
    const { template, from, to, step } = input
    const count = this.#count({ from, to, step }, true, path)
    const source: CompactSource = { kind: 'template', template, from, to, step, count }
    if (!template.includes('{i}'))
      this.#check.invalid([...path, 'template'], template, 'a URL with {i} where the number goes')
    else this.#templateUrls(source, [...path, 'template'])
    return source
  }

  /** The first and the last one: what is between them differs in digits alone. */
  #templateUrls(source: CompactSource, path: Path): void {
    const before = this.#problems.count
    this.#check.url(compactInput(source, 0) as string, path)
    if (this.#problems.count === before && source.count > 1) {
      this.#check.url(compactInput(source, source.count - 1) as string, path)
    }
  }

  #computeSource(
    { source: { inputs, range, file }, function: name }: LaunchComputeInput,
    known: boolean,
  ): CheckedSource {
    if (file) return this.#fileSource(file, 'inputs')
    if (inputs) {
      if (this.#listFits(inputs, 'inputs') && known) {
        inputs.forEach((value, at) => {
          this.#inputProblems(this.functions.validate(name, value), [...SOURCE, 'inputs', at], value)
        })
      }
      return { source: { kind: 'list', form: 'inputs', count: inputs.length }, items: inputs, upload: null }
    }
    if (!range) {
      this.#problems.add('INVALID', SOURCE, 'null is not a source: one of inputs, range and file is expected')
      return { source: { kind: 'range', from: 0, to: 0, step: 1, count: 0 }, items: null, upload: null }
    }
    const { from, to, step } = range
    const count = this.#count(range, false, [...SOURCE, 'range'])
    if (known && count > 0 && this.#problems.count === 0) {
      this.#inputProblems(this.functions.validateRange(name, { from, step, count }), [...SOURCE, 'range'], range)
    }
    return { source: { kind: 'range', from, to, step, count }, items: null, upload: null }
  }

  /** What is in the lines is looked at as they are run: a bad one fails its own task. */
  #fileSource(upload: UploadedFile, form: 'requests' | 'inputs'): CheckedSource {
    const { name, content } = upload
    if (content.kind === 'refused') {
      this.#problems.add(content.code, [...SOURCE, 'file'], content.reason)
      return { source: { kind: 'file', form, name, bytes: 0, sha256: '', count: 0 }, items: null, upload }
    }
    const { bytes, sha256, table } = content
    return { source: { kind: 'file', form, name, bytes, sha256, count: table.count }, items: null, upload }
  }

  #inputProblems(problems: { path: (string | number)[]; message: string }[], path: Path, value: unknown): void {
    if (problems.length === 0) return
    // Once for all problems of a value: it may be large, and so may they be many.
    const given = shown(value)
    for (const problem of problems) {
      this.#problems.add(
        'INVALID',
        [...path, ...problem.path],
        `${given} does not fit the function: ${problem.message}`,
      )
    }
  }

  #listFits(list: readonly unknown[], field: string): boolean {
    const path = [...SOURCE, field]
    if (list.length === 0) this.#check.invalid(path, [], 'a list of at least one item')
    if (list.length <= this.limits.maxInlineItems) return true
    const advice = 'launch a template, a range or a file, or several batches'
    this.#problems.add(
      'TOO_MANY_ITEMS',
      path,
      `${list.length} items are more than ${this.limits.maxInlineItems}: ${advice}`,
    )
    return false
  }

  /** How many numbers there are from `from` by `step` to `to`. */
  #count(numbers: { from: number; to: number; step: number }, included: boolean, path: Path): number {
    const before = this.#problems.count
    for (const [name, value] of Object.entries({ from: numbers.from, to: numbers.to, step: numbers.step })) {
      const whole = Number.isInteger(value) && Math.abs(value) <= MAX_WHOLE
      if (!whole) this.#check.invalid([...path, name], value, 'a whole number from -2^53 to 2^53')
    }
    if (numbers.step === 0) this.#check.invalid([...path, 'step'], 0, 'a step: it never arrives')
    if (this.#problems.count > before) return 0
    const count = countOf(numbers, included)
    if (count < 1) {
      this.#problems.add(
        'INVALID',
        [...path, 'to'],
        `from ${numbers.from} by ${numbers.step} to ${numbers.to} is no item`,
      )
      return 0
    }
    if (count <= this.limits.maxItems) return count
    this.#problems.add('TOO_MANY_ITEMS', path, `${count} items are more than ${this.limits.maxItems}`)
    return count
  }

  #finish({ source, items, upload }: CheckedSource, stage: StageSpec, options: LaunchOptionsInput): CheckResult {
    const check = this.#check
    const path = [...INPUT, 'options']
    const strategy = options.strategy === 'CLUSTER' ? 'AUTO' : (options.strategy ?? 'AUTO')
    if (options.strategy === 'CLUSTER') {
      this.#problems.add('CLUSTER_UNAVAILABLE', [...path, 'strategy'], 'no worker host is connected')
    }
    const timeoutMs = check.timeoutMs(options.timeoutMs, [...path, 'timeoutMs'])
    const spec: BatchSpec = {
      kind: stage.kind,
      name: check.text(options.name, [...path, 'name']),
      labels: check.labels(options.labels, [...path, 'labels']),
      priority: check.whole(options.priority, [...path, 'priority'], [-MAX_INT, MAX_INT]) ?? 0,
      strategy,
      concurrency:
        check.whole(options.concurrency, [...path, 'concurrency'], [1, MAX_INT]) ??
        defaultConcurrency(strategy, stage.kind),
      lanes: check.whole(options.lanes, [...path, 'lanes'], [1, this.limits.maxLanes]),
      failFast: options.failFast ?? false,
      retry: check.retry(options.retry, [...path, 'retry']),
      timeoutMs: timeoutMs ?? (stage.kind === 'FETCH' ? FETCH_TIMEOUT_MS : null),
      source,
      stages: [stage],
    }
    const idempotencyKey = check.text(options.idempotencyKey, [...path, 'idempotencyKey'])
    if (this.#problems.count > 0) return { launch: null, userErrors: this.#problems.list() }
    const inputHash = hashOf({ spec: { ...spec, source: comparable(source) }, items })
    return { launch: { spec, items, upload, idempotencyKey, inputHash }, userErrors: null }
  }
}

/** Exact, as numbers of opposite signs can lie further apart than doubles are. */
function countOf(numbers: { from: number; to: number; step: number }, included: boolean): number {
  const [from, to, step] = [BigInt(numbers.from), BigInt(numbers.to), BigInt(numbers.step)]
  const distance = step > 0n ? to - from : from - to
  const width = step > 0n ? step : -step
  if (distance < 0n) return 0
  return Number(included ? distance / width + 1n : (distance + width - 1n) / width)
}

/** Files are the same where their bytes are, whatever they are called. */
function comparable(source: Source): object {
  return source.kind === 'file' ? { ...source, name: null } : source
}

/** SHA-256 over the value's JSON with all keys in order. */
function hashOf(value: unknown): string {
  const ordered = (_: string, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  return createHash('sha256').update(JSON.stringify(value, ordered)).digest('hex')
}
