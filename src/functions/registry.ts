/** The functions that can be launched: the builtins, and those of the user's folder. */

import { type Json, numberAt } from '../domain/batch.js'
import { type FunctionProblem, type LoadedExport, loadDirectory } from './directory.js'
import { exampleOf } from './example.js'
import type { ComputeFunction, FunctionCatalog, FunctionInfo, InputProblem } from './function.js'
import { plainNumberRule } from './numbers.js'
import { type SchemaCheck, SchemaCompiler } from './schema.js'

export interface RegistryOptions {
  builtins: readonly ComputeFunction[]
  /** HEDDLE_FUNCTIONS_DIR; null for none. */
  directory: string | null
  /**
   * In a lane: the server has built the same registry before and told the problems. Schemas are then compiled when they
   * are first needed, and those that have no fault are not looked for one. Default false.
   */
  trusted?: boolean
}

/** A function, ready to be run. */
export interface RunnableFunction {
  fn: ComputeFunction
  /** Empty where the input fits. */
  validate: SchemaCheck
  /** Does what the first check would do: compiling a schema takes as long as ten thousand small tasks. */
  prepare(): void
}

interface Entry extends RunnableFunction {
  file: string
  info: FunctionInfo
  /** See plainNumberRule. */
  numberRule: ((number: number) => boolean) | null
}

const NO_PROBLEMS: readonly InputProblem[] = []
const NAME = /^[A-Za-z0-9_.-]{1,100}$/
const BUILTIN = 'builtin'

export class FunctionRegistry implements FunctionCatalog {
  readonly #entries: ReadonlyMap<string, Entry>

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries
  }

  /** By name. */
  list(): FunctionInfo[] {
    return [...this.#entries.values()].map(({ info }) => info).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  get(name: string): RunnableFunction | undefined {
    return this.#entries.get(name)
  }

  validate(name: string, input: unknown): InputProblem[] {
    return [...this.#entry(name).validate(input)]
  }

  /**
   * The first number, the second and the last: with a schema that asks for type, bounds and multiples alone no other can
   * fail. The problems name the number, as their path is the range's own.
   */
  validateRange(name: string, range: { from: number; step: number; count: number }): InputProblem[] {
    const { validate } = this.#entry(name)
    const indexes = new Set([0, 1, range.count - 1].filter((index) => index >= 0 && index < range.count))
    return [...indexes].flatMap((index) => {
      const number = numberAt(range, index)
      return validate(number).map(({ path, message }) => ({ path, message: `${number} (item ${index}) ${message}` }))
    })
  }

  /** Whether validateRange has found all there is to find in a range of numbers. */
  checksRangesWhole(name: string): boolean {
    return this.#entry(name).numberRule !== null
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name)
    if (!entry) throw new Error(`there is no function named ${JSON.stringify(name)}`)
    return entry
  }
}

/** Builds a registry of what is in order, and tells what is not. Rejects for nothing that is in the folder. */
export async function createRegistry(
  options: RegistryOptions,
): Promise<{ registry: FunctionRegistry; problems: FunctionProblem[] }> {
  const loaded = options.directory === null ? { exports: [], problems: [] } : await loadDirectory(options.directory)
  const builtins = options.builtins.map((value, place) => ({ file: BUILTIN, place, value }))
  const builder = new RegistryBuilder(options.trusted ?? false)
  for (const one of [...builtins, ...loaded.exports]) builder.add(one)
  return {
    registry: new FunctionRegistry(builder.entries),
    problems: [...loaded.problems, ...builder.problems].sort((a, b) =>
      a.file < b.file ? -1 : a.file > b.file ? 1 : 0,
    ),
  }
}

class RegistryBuilder {
  readonly entries = new Map<string, Entry>()
  readonly problems: FunctionProblem[] = []
  readonly #compiler: SchemaCompiler
  readonly #trusted: boolean

  constructor(trusted: boolean) {
    this.#trusted = trusted
    this.#compiler = new SchemaCompiler({ trusted })
  }

  add({ file, place, value }: LoadedExport): void {
    const reasons: string[] = []
    let name = place === null ? null : `number ${place + 1}`
    try {
      name = nameOf(value) ?? name
      this.#check(file, value, reasons)
    } catch (error) {
      // A getter of the file's own may do anything.
      reasons.push(`cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
    for (const reason of reasons) this.problems.push({ file, function: name, reason })
  }

  #check(file: string, value: unknown, reasons: string[]): void {
    const fn = checkShape(value, reasons)
    if (fn === null) return
    const taken = this.entries.get(fn.name)
    if (taken) {
      const holder = taken.file === BUILTIN ? 'a function that is built in' : taken.file
      reasons.push(`the name ${JSON.stringify(fn.name)} is taken by ${holder}`)
    }
    const validate = this.#checkSchemas(fn, reasons)
    if (validate && reasons.length === 0) this.entries.set(fn.name, toEntry(fn, file, validate))
  }

  #checkSchemas(fn: ComputeFunction, reasons: string[]): SchemaCheck | null {
    if (this.#trusted) return lazily(() => this.#compiler.compile(fn.inputSchema))
    const validate = this.#compile('inputSchema', fn.inputSchema, reasons)
    if (fn.outputSchema !== undefined) this.#compile('outputSchema', fn.outputSchema, reasons)
    if (validate && fn.example !== undefined) {
      for (const { path, message } of validate(fn.example)) {
        reasons.push(`the example does not fit the inputSchema: ${['example', ...path].join('.')} ${message}`)
      }
    }
    return validate
  }

  #compile(field: string, schema: Json, reasons: string[]): SchemaCheck | null {
    try {
      return this.#compiler.compile(schema)
    } catch (error) {
      reasons.push(`${field}: ${error instanceof Error ? error.message : String(error)}`)
      return null
    }
  }
}

function lazily(compile: () => SchemaCheck): SchemaCheck {
  let check: SchemaCheck | null = null
  return (value) => {
    check ??= compile()
    return check(value)
  }
}

function toEntry(fn: ComputeFunction, file: string, check: SchemaCheck): Entry {
  const { name, description, inputSchema } = fn
  const numberRule = plainNumberRule(inputSchema)
  const outputSchema = fn.outputSchema ?? null
  const example = fn.example ?? exampleOf(inputSchema)
  const validate: SchemaCheck = (input) =>
    typeof input === 'number' && numberRule?.(input) ? NO_PROBLEMS : check(input)
  return {
    fn,
    file,
    numberRule,
    validate,
    prepare: () => void validate(example),
    info: { name, description, inputSchema, outputSchema, example },
  }
}

/** The function that a value is, or null with what is wrong added to `reasons`. */
function checkShape(value: unknown, reasons: string[]): ComputeFunction | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reasons.push(`must be an object { name, description, inputSchema, run }, not ${kindOf(value)}`)
    return null
  }
  const given = value as Record<string, unknown>
  expect(given, 'name', 'string', reasons)
  if (typeof given.name === 'string' && !NAME.test(given.name)) {
    reasons.push(`the name ${JSON.stringify(given.name)} must be 1 to 100 letters, digits, "_", "-" or "."`)
  }
  expect(given, 'description', 'string', reasons)
  expect(given, 'run', 'function', reasons)
  const inputSchema = jsonOf(given, 'inputSchema', reasons)
  if (given.inputSchema === undefined) reasons.push('inputSchema is missing: it must be a JSON Schema')
  const outputSchema = jsonOf(given, 'outputSchema', reasons)
  const example = jsonOf(given, 'example', reasons)
  if (example === null) reasons.push('example must not be null: leave it out, or give an input')
  if (reasons.length > 0 || inputSchema === undefined) return null
  return {
    name: given.name as string,
    description: given.description as string,
    inputSchema,
    ...(outputSchema !== undefined && { outputSchema }),
    ...(example !== undefined && { example }),
    // Called as a method, as the file may have written it as one.
    run: (input, context) => (given as unknown as ComputeFunction).run(input, context),
  }
}

function expect(given: Record<string, unknown>, field: string, type: 'string' | 'function', reasons: string[]): void {
  const value = given[field]
  if (value === undefined) reasons.push(`${field} is missing: it must be a ${type}`)
  else if (typeof value !== type) reasons.push(`${field} must be a ${type}, not ${kindOf(value)}`)
}

/** A field as JSON, a copy that the file cannot change any more; undefined where it is missing or no JSON. */
function jsonOf(given: Record<string, unknown>, field: string, reasons: string[]): Json | undefined {
  if (given[field] === undefined) return undefined
  try {
    return JSON.parse(JSON.stringify(given[field]) ?? '') as Json
  } catch (error) {
    reasons.push(`${field} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

function nameOf(value: unknown): string | null {
  const name = typeof value === 'object' && value !== null ? (value as { name?: unknown }).name : null
  return typeof name === 'string' ? name : null
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
