/**
 * What fields cost, in objects of the answer: each counts one, as does a JSON value, and ten other values count one together.
 * What asks the database, or computes for a while, says with its field what that is worth in objects; a list how many it is
 * taken to have. docs/limits.md tells clients.
 */

import type { FieldComplexityValue } from '@pothos/plugin-complexity'
import { type GraphQLOutputType, getNamedType, getNullableType, isLeafType, isListType } from 'graphql'

const OBJECT = 1
const VALUE = 0.1

/** Objects of a list that says nothing of its size. */
const TYPICAL_LIST = 10

/** One row by its key. */
export const LOOKUP = 10
/** A page, and the count of all that it is a page of; or a question to the rows of a run. */
export const QUESTION = 50
/** What goes through everything that a run did. */
export const STUDY = 100
/** What is checked and written down. */
export const CHANGE = 100
/** What goes through many runs, or tries tasks for seconds. */
export const LABOUR = 2000

/** A list of so many objects, and what it takes to have them. */
export function listOf(size: number, toHaveThem = 0): { field: number; multiplier: number } {
  return { field: toHaveThem + size * OBJECT, multiplier: size }
}

/** Of a field that says nothing of its own. */
export function defaultCost(
  _args: unknown,
  _context: unknown,
  { type }: { type: GraphQLOutputType },
): FieldComplexityValue {
  const named = getNamedType(type)
  if (isLeafType(named)) return named.name === 'JSON' ? OBJECT : VALUE
  return isListType(getNullableType(type)) ? listOf(TYPICAL_LIST) : OBJECT
}

/** The size that a list is asked for in, within its bounds: what lies beyond them is refused by the field itself. */
export function sizeAsked(asked: number | null | undefined, { fallback, max }: { fallback: number; max: number }) {
  return Math.min(Math.max(asked ?? fallback, 0), max)
}

/** Within a connection, which has multiplied by the size of its page: an object each. */
export const EACH_OF_PAGE = { field: OBJECT, multiplier: 1 }
