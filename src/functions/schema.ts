/** JSON Schemas made into checks that say what is wrong in words. */

import { createRequire } from 'node:module'
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv'
import type { Json } from '../domain/batch.js'
import type { InputProblem } from './function.js'

/** What is wrong with a value; empty where it fits. */
export type SchemaCheck = (value: unknown) => readonly InputProblem[]

const NO_PROBLEMS: readonly InputProblem[] = []

const DRAFT_2020 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/

const OPTIONS: Options = {
  // Unknown keywords are annotations, as the specification has it; formats are annotations too in draft 2020-12.
  strict: false,
  validateFormats: false,
  allErrors: true,
  // A required or undefined property of Object.prototype is not there.
  ownProperties: true,
  logger: false,
}

// Loading ajv takes some 40 ms, which a lane that never meets a schema beyond plain numbers need not wait for.
const require = createRequire(import.meta.url)

/**
 * Compiles schemas, of draft 2020-12 or, where $schema says so, draft-07. `trusted`: they have been compiled before, as
 * in another thread, so that they are not held against the meta-schema again.
 */
export class SchemaCompiler {
  readonly #options: Options
  #draft2020: Ajv | null = null
  #draft07: Ajv | null = null

  constructor({ trusted }: { trusted: boolean }) {
    this.#options = trusted ? { ...OPTIONS, validateSchema: false, meta: false } : OPTIONS
  }

  /** Throws an Error that says what is wrong with the schema. */
  compile(schema: Json): SchemaCheck {
    const ajv = this.#ajvFor(schema)
    const bare = withoutDraft(schema)
    if (typeof bare !== 'boolean' && (bare === null || typeof bare !== 'object' || Array.isArray(bare))) {
      throw new Error('a JSON Schema is an object, true or false')
    }
    try {
      return toCheck(ajv.compile(bare))
    } finally {
      // Two functions may use the same $id.
      if (typeof bare === 'object') ajv.removeSchema(bare)
    }
  }

  #ajvFor(schema: Json): Ajv {
    const draft = typeof schema === 'object' && schema !== null && !Array.isArray(schema) ? schema.$schema : undefined
    if (draft === undefined || (typeof draft === 'string' && DRAFT_2020.test(draft))) {
      if (this.#draft2020 === null) {
        const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')
        this.#draft2020 = new Ajv2020(this.#options)
      }
      return this.#draft2020
    }
    if (typeof draft === 'string' && DRAFT_07.test(draft)) {
      if (this.#draft07 === null) {
        const { Ajv } = require('ajv') as typeof import('ajv')
        this.#draft07 = new Ajv(this.#options)
      }
      return this.#draft07
    }
    throw new Error(`$schema is ${JSON.stringify(draft)}: draft 2020-12 and draft-07 are known`)
  }
}

/** The draft has been chosen: ajv would look it up once more, by its exact spelling. */
function withoutDraft(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema
  const { $schema: _, ...bare } = schema
  return bare
}

/** A value may have a million things wrong with it: so many are put into words, and the others counted. */
const MAX_WORDED = 1_000
const ONE_MORE: InputProblem = { path: [], message: 'does not fit the schema' }

function toCheck(validate: ValidateFunction): SchemaCheck {
  const worded = (error: ErrorObject, at: number, value: unknown) =>
    at < MAX_WORDED ? toProblem(error, value) : ONE_MORE
  return (value) =>
    validate(value) ? NO_PROBLEMS : (validate.errors ?? []).map((error, at) => worded(error, at, value))
}

function toProblem(error: ErrorObject, value: unknown): InputProblem {
  return { path: pathOf(error.instancePath, value), message: messageOf(error) }
}

/** A JSON pointer as a path: the places of arrays are numbers. */
function pathOf(pointer: string, value: unknown): (string | number)[] {
  const names = pointer.split('/').slice(1)
  let at: unknown = value
  return names.map((name) => {
    const key = name.replaceAll('~1', '/').replaceAll('~0', '~')
    const step = Array.isArray(at) ? Number(key) : key
    at = (at as Record<string | number, unknown> | null)?.[step]
    return step
  })
}

function messageOf({ keyword, params, message = 'does not fit the schema' }: ErrorObject): string {
  switch (keyword) {
    case 'additionalProperties':
      return `must not have the property ${JSON.stringify(params.additionalProperty)}`
    case 'unevaluatedProperties':
      return `must not have the property ${JSON.stringify(params.unevaluatedProperty)}`
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(', ')}`
    case 'const':
      return `must be ${JSON.stringify(params.allowedValue)}`
    case 'false schema':
      return 'is not allowed here'
    default:
      return message
  }
}
