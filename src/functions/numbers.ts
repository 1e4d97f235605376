/** Schemas that say of a number nothing but how large it is and what it is a multiple of. */

import type { Json } from '../domain/batch.js'

type Bound = 'minimum' | 'maximum' | 'exclusiveMinimum' | 'exclusiveMaximum' | 'multipleOf'

const BOUNDS: Record<Bound, (number: number, limit: number) => boolean> = {
  minimum: (number, limit) => number >= limit,
  maximum: (number, limit) => number <= limit,
  exclusiveMinimum: (number, limit) => number > limit,
  exclusiveMaximum: (number, limit) => number < limit,
  // As ajv has it, which checks the tasks themselves: what % says of the smallest and the largest doubles is not the same.
  multipleOf: (number, limit) => number / limit === Number.parseInt(String(number / limit), 10),
}

/** Keywords that say nothing of a number. */
const SILENT: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'contentEncoding',
  'contentMediaType',
])

/**
 * Whether a number fits the schema; null for a schema that asks more of a number than its type, its bounds and what
 * it is a multiple of. For those that are not null: where the first, the second and the last number of a range fit, all do.
 */
export function plainNumberRule(schema: Json): ((number: number) => boolean) | null {
  if (schema === true) return Number.isFinite
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return null
  const rules: ((number: number) => boolean)[] = []
  for (const [keyword, limit] of Object.entries(schema)) {
    if (SILENT.has(keyword)) continue
    const rule = keyword === 'type' ? typeRule(limit) : boundRule(keyword, limit)
    if (rule === null) return null
    rules.push(rule)
  }
  return (number) => Number.isFinite(number) && rules.every((rule) => rule(number))
}

function typeRule(type: Json): (number: number) => boolean {
  const types = Array.isArray(type) ? type : [type]
  if (types.includes('number')) return () => true
  return types.includes('integer') ? Number.isInteger : () => false
}

function boundRule(keyword: string, limit: Json): ((number: number) => boolean) | null {
  if (!Object.hasOwn(BOUNDS, keyword) || typeof limit !== 'number') return null
  // Whether a number is a multiple of a fraction depends on its rounding, each number's own.
  if (keyword === 'multipleOf' && !Number.isInteger(limit)) return null
  const fits = BOUNDS[keyword as Bound]
  return (number) => fits(number, limit)
}
