/** Pages of lists: what a client may ask for, and what it gets. */

import { type CursorTarget, decodeCursor, encodeCursor } from '../domain/cursors.js'
import type { Page, PageRequest, Position } from '../store/store.js'
import { QUESTION, sizeAsked } from './cost.js'
import { badUserInput } from './errors.js'

/** Where neither `first` nor `last` is given. */
const DEFAULT_PAGE = 20
const MAX_PAGE = 1000
/** Of lists that are not paged. */
export const MAX_LISTED = 1000

/** Arguments as they come, before any check. */
export interface PageArgs {
  first?: number | null | undefined
  last?: number | null | undefined
  after?: string | null | undefined
  before?: string | null | undefined
}

/** What a page costs that is asked for with these arguments, besides the objects in it. */
export function pageCost({ first, last }: PageArgs): { field: number; multiplier: number } {
  return { field: QUESTION, multiplier: sizeAsked(first ?? last, { fallback: DEFAULT_PAGE, max: MAX_PAGE }) }
}

/** The list and order that a cursor belongs to, and how many numbers its position has. */
export type CursorForm = CursorTarget & { length: number }

/** Throws BAD_USER_INPUT for sizes out of bounds and for cursors of anything else. */
export function pageRequest(args: PageArgs, form: CursorForm): PageRequest {
  const first = args.first ?? null
  const last = args.last ?? null
  if (first !== null && last !== null) {
    throw badUserInput(`first: ${first} and last: ${last} exclude each other: expected one of them`)
  }
  const request: PageRequest =
    last !== null
      ? { last: sizeWithin('last', last, MAX_PAGE) }
      : { first: sizeWithin('first', first ?? DEFAULT_PAGE, MAX_PAGE) }
  if (args.after != null) request.after = positionOf('after', args.after, form)
  if (args.before != null) request.before = positionOf('before', args.before, form)
  return request
}

/** A whole number from `min`, 0 if left out, to `max`; BAD_USER_INPUT for another. */
export function sizeWithin(name: string, value: number, max: number, min = 0): number {
  if (value >= min && value <= max) return value
  throw badUserInput(`${name}: ${value} is out of range: expected ${min === max ? min : `${min} to ${max}`}`)
}

/** The position that a cursor stands for; BAD_USER_INPUT for what is no cursor of this list and order. */
export function positionOf(name: string, cursor: string, form: CursorForm): Position {
  const position = decodeCursor(cursor, form)
  if (position !== null) return position
  const shown = cursor.length > 60 ? `${cursor.slice(0, 60)}…` : cursor
  throw badUserInput(
    `${name}: ${JSON.stringify(shown)} is no cursor of this list: expected one that it gave in the order ${form.order}`,
  )
}

/** A page as GraphQL has it; `count` is only called where totalCount is asked for. */
export interface Connection<Node> {
  edges: { cursor: string; node: Node }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
  count: () => Promise<number>
}

export function toConnection<Row, Node>(
  page: Page<Row>,
  form: CursorForm,
  parts: { node: (row: Row) => Node; count: () => Promise<number> },
): Connection<Node> {
  const edges = page.rows.map(({ row, position }) => ({
    cursor: encodeCursor({ order: form.order, scope: form.scope, position }),
    node: parts.node(row),
  }))
  return {
    edges,
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    count: parts.count,
  }
}
