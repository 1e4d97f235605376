/** An input to show for a function that names none. */

import type { Json } from '../domain/batch.js'

type JsonObject = { [key: string]: Json }

/** Deeper schemas get no example inside. */
const MAX_DEPTH = 5

/** An input made from what its schema says; it need not fit a schema that asks for more than types, bounds and lists. */
export function exampleOf(schema: Json): Json {
  return madeOf(schema, 0) ?? {}
}

function madeOf(schema: Json, depth: number): Json {
  if (!isObject(schema) || depth > MAX_DEPTH) return {}
  const shown = [schema.const, schema.default, listOf(schema.examples)[0], listOf(schema.enum)[0]]
  const first = shown.find((value) => value !== undefined && value !== null)
  if (first !== undefined) return first
  for (const choice of [schema.oneOf, schema.anyOf, schema.allOf]) {
    const [option] = listOf(choice)
    if (option !== undefined && schema.type === undefined) return madeOf(option, depth + 1)
  }
  return ofType(schema, depth)
}

function ofType(schema: JsonObject, depth: number): Json {
  const [type] = Array.isArray(schema.type) ? schema.type : [schema.type ?? guessedType(schema)]
  switch (type) {
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'string':
      return 'text'.padEnd(numberAt(schema, 'minLength') ?? 0, '.').slice(0, numberAt(schema, 'maxLength') ?? undefined)
    case 'boolean':
      return true
    case 'array':
      return Array.from({ length: Math.min(numberAt(schema, 'minItems') ?? 1, 10) }, (_, at) =>
        madeOf(listOf(schema.prefixItems)[at] ?? schema.items ?? 1, depth + 1),
      )
    case 'null':
      return null
    default:
      return objectOf(schema, depth)
  }
}

function guessedType(schema: JsonObject): string {
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number'
  if ('minLength' in schema || 'maxLength' in schema || 'pattern' in schema) return 'string'
  return 'items' in schema || 'prefixItems' in schema ? 'array' : 'object'
}

/** 10, or the nearest number to it that the bounds leave. */
function numberOf(schema: JsonObject): number {
  const step = numberAt(schema, 'multipleOf') ?? 1
  const { exclusiveMinimum: above, exclusiveMaximum: below } = schema
  const low = numberAt(schema, 'minimum') ?? (typeof above === 'number' ? above + step : -Infinity)
  const high = numberAt(schema, 'maximum') ?? (typeof below === 'number' ? below - step : Infinity)
  const near = Math.min(high, Math.max(low, 10))
  return Number.isInteger(near / step) ? near : Math.ceil(near / step) * step
}

/** All named properties where none is required: they say most. */
function objectOf(schema: JsonObject, depth: number): JsonObject {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = listOf(schema.required).filter((name) => typeof name === 'string')
  const names = required.length > 0 ? required : Object.keys(properties)
  return Object.fromEntries(names.map((name) => [name, madeOf(properties[name] ?? {}, depth + 1)]))
}

function numberAt(schema: JsonObject, keyword: string): number | null {
  const value = schema[keyword]
  return typeof value === 'number' ? value : null
}

function listOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : []
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
