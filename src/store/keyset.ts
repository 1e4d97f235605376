/**
 * Pages of ordered lists by key, never by offset: a page costs the same wherever it is. A place in an order is made of
 * the values that its rows sort by. Rows that lack the value come last, in whichever direction an order goes; a number at the
 * end of all numbers stands for it in their places.
 */

import type { Page, PageRequest, Position } from './store.js'

/** The way in which a list is read; an order's own direction is forward. */
export type Direction = 'forward' | 'backward'

/** What lies between two places, neither of them included; null: no bound. */
export interface Window {
  after: Position | null
  before: Position | null
}

export interface OrderedList<Row> {
  descending: boolean
  positionOf(row: Row): Position
  /** At most `limit` rows of the window from its beginning, or from its end and then in reverse. */
  read(window: Window, direction: Direction, limit: number): Row[]
}

/** A stretch of an order that one query can walk along. */
export interface Part<Row> {
  /** What the places of its rows begin with, where the rows lack the value: see MISSING. The part's own windows come without it. */
  leading: number | null
  read(window: Window, direction: Direction, limit: number): Row[]
}

/** Stands for a missing value, after all others. */
export const MISSING = { ascending: Number.MAX_VALUE, descending: -Number.MAX_VALUE } as const

export function readPage<Row>(list: OrderedList<Row>, request: PageRequest): Page<Row> {
  const window = { after: request.after ?? null, before: request.before ?? null }
  const direction = request.last === undefined ? 'forward' : 'backward'
  const size = request.last ?? request.first ?? 0
  // One row more than asked for tells whether there are more.
  const rows = list.read(window, direction, size + 1)
  const isMore = rows.length > size
  rows.length = Math.min(rows.length, size)
  if (direction === 'backward') rows.reverse()
  const placed = rows.map((row) => ({ row, position: list.positionOf(row) }))
  return {
    rows: placed,
    hasNextPage:
      (isMore && direction === 'forward') || isAnyPast(list, 'forward', { bound: window.before, edge: placed.at(-1) }),
    hasPreviousPage:
      (isMore && direction === 'backward') || isAnyPast(list, 'backward', { bound: window.after, edge: placed[0] }),
  }
}

/**
 * Whether the list goes on past the last row of a page. Only a bound can have cut it off there; of an empty page the
 * row at the bound itself is past it.
 */
function isAnyPast<Row>(
  list: OrderedList<Row>,
  direction: Direction,
  { bound, edge }: { bound: Position | null; edge: { position: Position } | undefined },
): boolean {
  if (bound === null) return false
  const [outermost] = list.read({ after: null, before: null }, direction === 'forward' ? 'backward' : 'forward', 1)
  if (outermost === undefined) return false
  const forwards = (direction === 'forward') !== list.descending ? 1 : -1
  const distance = comparePositions(list.positionOf(outermost), edge?.position ?? bound) * forwards
  return distance > 0 || (distance === 0 && edge === undefined)
}

function comparePositions(a: Position, b: Position): number {
  for (let at = 0; at < a.length; at++) {
    const difference = a[at]! - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Reads through the parts of an order, one after the other. */
export function readParts<Row>(
  parts: readonly Part<Row>[],
  { window, direction, limit }: { window: Window; direction: Direction; limit: number },
): Row[] {
  const rows: Row[] = []
  for (const part of direction === 'forward' ? parts : parts.toReversed()) {
    if (rows.length >= limit) break
    const own = windowOf(part, window)
    if (own) rows.push(...part.read(own, direction, limit - rows.length))
  }
  return rows
}

/** The window in a part's own terms; null where it does not reach into the part. */
function windowOf({ leading }: Part<unknown>, { after, before }: Window): Window | null {
  if (leading === null) return { after, before }
  // Places of other parts come before all of this one.
  if (before && before[0] !== leading) return null
  return { after: after?.[0] === leading ? after.slice(1) : null, before: before?.slice(1) ?? null }
}
