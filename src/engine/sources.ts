/** Checks the sources of launches: what is wrong with any item, and how many there are. */

import type { CompactSource, Source } from '../domain/batch.js'
import { compactInput } from '../domain/batch.js'
import type { Path, Problems } from '../domain/problems.js'
import { shown } from '../domain/requests.js'
import type { UploadedFile } from '../domain/upload.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { Checker } from './checks.js'
import type { LaunchComputeInput, LaunchFetchInput } from './engine.js'
import { type LaunchLimits, MAX_WHOLE } from './limits.js'

export interface CheckedSource {
  source: Source
  /** The items of a list; null for any other source. */
  items: unknown[] | null
  /** The file of a file source. */
  upload: UploadedFile | null
}

type Numbers = { from: number; to: number; step: number }

export class SourceChecks {
  readonly #check: Checker
  readonly #problems: Problems

  constructor(
    check: Checker,
    private readonly limits: LaunchLimits,
    private readonly functions: FunctionCatalog,
  ) {
    this.#check = check
    this.#problems = check.problems
  }

  /** In the place of a source that is none. */
  get nothing(): CheckedSource {
    return NOTHING
  }

  /** Of a fetch. `path`: where the source is. */
  fetch({ urls, requests, template, file }: LaunchFetchInput['source'], path: Path): CheckedSource {
    if (file) return this.#file(file, 'requests', path)
    if (urls) {
      const place = [...path, 'urls']
      if (this.#listFits(urls, place)) urls.forEach((url, at) => void this.#check.url(url, [...place, at]))
      return { source: { kind: 'list', form: 'urls', count: urls.length }, items: urls, upload: null }
    }
    if (requests) {
      const place = [...path, 'requests']
      const items = this.#listFits(requests, place)
        ? requests.map((request, at) => this.#check.request(request, [...place, at]))
        : []
      return { source: { kind: 'list', form: 'requests', count: requests.length }, items, upload: null }
    }
    if (template) return { source: this.#template(template, [...path, 'template']), items: null, upload: null }
    this.#problems.add('INVALID', path, 'null is not a source: one of urls, requests, template and file is expected')
    return NOTHING
  }

  /** Of a compute. `name`: its function; null where there is none of that name. */
  compute({ inputs, range, file }: LaunchComputeInput['source'], name: string | null, path: Path): CheckedSource {
    if (file) return this.#file(file, 'inputs', path)
    if (inputs) {
      const place = [...path, 'inputs']
      if (this.#listFits(inputs, place) && name !== null) {
        inputs.forEach((value, at) => {
          this.#inputProblems(this.functions.validate(name, value), [...place, at], value)
        })
      }
      return { source: { kind: 'list', form: 'inputs', count: inputs.length }, items: inputs, upload: null }
    }
    if (!range) {
      this.#problems.add('INVALID', path, 'null is not a source: one of inputs, range and file is expected')
      return NOTHING
    }
    const place = [...path, 'range']
    const { from, to, step } = range
    const before = this.#problems.count
    const count = this.#count(range, false, place)
    if (name !== null && count > 0 && this.#problems.count === before) {
      this.#inputProblems(this.functions.validateRange(name, { from, step, count }), place, range)
    }
    return { source: { kind: 'range', from, to, step, count }, items: null, upload: null }
  }

  #template(input: NonNullable<LaunchFetchInput['source']['template']>, path: Path): CompactSource {
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

  /** What is in the lines is looked at as they are run: a bad one fails its own task. */
  #file(upload: UploadedFile, form: 'requests' | 'inputs', path: Path): CheckedSource {
    const { name, content } = upload
    if (content.kind === 'refused') {
      this.#problems.add(content.code, [...path, 'file'], content.reason)
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

  #listFits(list: readonly unknown[], path: Path): boolean {
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
  #count(numbers: Numbers, included: boolean, path: Path): number {
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
}

const NOTHING: CheckedSource = {
  source: { kind: 'range', from: 0, to: 0, step: 1, count: 0 },
  items: null,
  upload: null,
}

/** Exact, as numbers of opposite signs can lie further apart than doubles are. */
function countOf(numbers: Numbers, included: boolean): number {
  const [from, to, step] = [BigInt(numbers.from), BigInt(numbers.to), BigInt(numbers.step)]
  const distance = step > 0n ? to - from : from - to
  const width = step > 0n ? step : -step
  if (distance < 0n) return 0
  return Number(included ? distance / width + 1n : (distance + width - 1n) / width)
}
