/** DateTime and JSON: what they accept, what they refuse, and with which words. */

import { GraphQLError, Kind, print, type ValueNode, valueFromASTUntyped } from 'graphql'
import { MAX_JSON_DEPTH } from '../domain/output.js'
import { builder } from './builder.js'

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** An ISO 8601 instant with its offset, as a Date. Throws where it names no instant. */
export function parseInstant(value: unknown): Date {
  const parts = typeof value === 'string' ? INSTANT.exec(value) : null
  const instant = parts === null ? Number.NaN : Date.parse(value as string)
  if (parts === null || Number.isNaN(instant) || !isDayOfCalendar(parts)) {
    throw new GraphQLError(
      `DateTime cannot represent ${JSON.stringify(value)}: expected an ISO 8601 instant like 2026-11-22T18:52:00.000Z`,
    )
  }
  return new Date(instant)
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDayOfCalendar(parts: RegExpExecArray): boolean {
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  return day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}

/**
 * A JSON value from a request's variables. A whole number past 2^53 has lost its last digits by the time it is here, so
 * it is refused rather than computed with. Throws with the reason.
 */
export function parseJsonValue(value: unknown): unknown {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: part, depth } = next
    if (typeof part === 'number') refuseInexact(part, String(part))
    if (typeof part !== 'object' || part === null) continue
    if (depth >= MAX_JSON_DEPTH) throw tooDeep()
    for (const child of Object.values(part)) open.push({ value: child, depth: depth + 1 })
  }
  return value
}

/** A JSON value written in the document itself. */
export function parseJsonLiteral(node: ValueNode, variables?: Record<string, unknown> | null, depth = 0): unknown {
  if (depth > MAX_JSON_DEPTH) throw tooDeep(node)
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return refuseInexact(Number(node.value), node.value, node)
    case Kind.LIST:
      return node.values.map((item) => parseJsonLiteral(item, variables, depth + 1))
    case Kind.OBJECT:
      // Entries, not assignments: a key may be __proto__.
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, parseJsonLiteral(field.value, variables, depth + 1)]),
      )
    case Kind.ENUM:
      throw new GraphQLError(`JSON cannot represent ${print(node)}: write a string in quotes`, { nodes: node })
    case Kind.VARIABLE:
      return variables?.[node.name.value] ?? null
    default:
      return valueFromASTUntyped(node)
  }
}

/** JSON has no way to write what lies between: from 1e21 on, JSON.stringify writes an exponent, as a float's author would. */
function refuseInexact(value: number, text: string, node?: ValueNode): number {
  if (!Number.isFinite(value)) {
    throw new GraphQLError(`JSON cannot represent ${text}: it is past all numbers`, node ? { nodes: node } : {})
  }
  if (!Number.isInteger(value) || Number.isSafeInteger(value) || /[eE]/.test(text)) return value
  throw new GraphQLError(
    `JSON cannot represent ${text} exactly: write whole numbers from 2^53 on as decimal strings`,
    node ? { nodes: node } : {},
  )
}

function tooDeep(node?: ValueNode): GraphQLError {
  return new GraphQLError(
    `JSON values may be nested ${MAX_JSON_DEPTH} levels deep, not deeper`,
    node ? { nodes: node } : {},
  )
}

builder.scalarType('DateTime', {
  description:
    'An instant, ISO 8601 in UTC with milliseconds: 2026-11-22T18:52:00.000Z. As an input any offset will do.',
  serialize: (value) => value.toISOString(),
  parseValue: parseInstant,
})

builder.scalarType('JSON', {
  description:
    'Any JSON value. A BigInt that a function returns travels as a number where |x| < 2^53, else as a decimal string; inputs past 2^53 are written as decimal strings. undefined becomes null; NaN, infinities and cycles fail the task with FUNCTION_ERROR.',
  serialize: (value) => value,
  parseValue: parseJsonValue,
  parseLiteral: (node, variables) => parseJsonLiteral(node, variables),
})
