/** DateTime, JSON and Upload: what they accept, what they refuse, and with which words. */

import {
  type FloatValueNode,
  GraphQLError,
  type IntValueNode,
  Kind,
  print,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql'
import { jsonProblem, numberProblem, TOO_DEEP } from '../domain/json.js'
import { MAX_JSON_DEPTH } from '../domain/output.js'
import { shown } from '../domain/requests.js'
import { UploadedFile } from '../domain/upload.js'
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

/** A JSON value from a request's variables. Throws with the reason where it cannot be computed with. */
export function parseJsonValue(value: unknown): unknown {
  const problem = jsonProblem(value)
  if (problem !== null) throw new GraphQLError(problem)
  return value
}

/** A JSON value written in the document itself. */
export function parseJsonLiteral(node: ValueNode, variables?: Record<string, unknown> | null, depth = 0): unknown {
  if (depth > MAX_JSON_DEPTH) throw tooDeep(node)
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return refuseInexact(node)
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

function refuseInexact(node: IntValueNode | FloatValueNode): number {
  const value = Number(node.value)
  const problem = numberProblem(value, node.value)
  if (problem !== null) throw new GraphQLError(problem, { nodes: node })
  return value
}

function tooDeep(node: ValueNode): GraphQLError {
  return new GraphQLError(TOO_DEEP, { nodes: node })
}

/** Files come with the request, in the place of a null among its variables. */
function refuseUpload(found: string): GraphQLError {
  return new GraphQLError(
    `Upload cannot represent ${found}: expected a variable that a file of a multipart request stands for`,
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

builder.scalarType('Upload', {
  description: 'A file of a multipart request, as the GraphQL multipart request specification defines it.',
  serialize: () => {
    throw new GraphQLError('Upload cannot be read: it is for inputs alone')
  },
  parseValue: (value) => {
    if (value instanceof UploadedFile) return value
    throw refuseUpload(shown(value))
  },
  parseLiteral: (node) => {
    throw refuseUpload(print(node))
  },
})
