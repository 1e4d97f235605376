/**
 * Tasks by service time. The index keeps the order within segments of 4,096 sequence numbers, see the first migration;
 * the order over all of them comes from merging.
 */

import type { Direction, Window } from './keyset.js'
import { mergeSorted, type SortedSource } from './merge.js'
import { type Access, type Params, type Queries, walkQuery } from './query.js'
import type { Position } from './store.js'

/** A segment is 4,096 sequence numbers: number n has those from n << SEGMENT_BITS on. */
export const SEGMENT_BITS = 12
const BY_SEGMENT = '"Task" AS t INDEXED BY "Task_runId_segment_serviceMs_idx"'
const KEYS = ['t."serviceMs"', 't."sequence"']

interface Query {
  sql: string
  params: Params
}

type Key = [serviceMs: number, sequence: number]

/** The way to the rows of a run whose service time meets a condition. Binds @runId. */
export function segmentAccess(condition: string): Access {
  const segments = `(
    WITH RECURSIVE "segment"("number") AS (
      SELECT 0 UNION ALL SELECT "number" + 1 FROM "segment"
      WHERE "number" < (SELECT max("sequence") FROM "Task" WHERE "runId" = @runId) >> ${SEGMENT_BITS}
    ) SELECT "number" FROM "segment"
  )`
  return {
    from: `${segments} AS s CROSS JOIN ${BY_SEGMENT}`,
    where: ['t."runId" = @runId', `t."sequence" >> ${SEGMENT_BITS} = s."number"`, condition],
  }
}

/** The slowest and the fastest timed task of a segment; null where it has none. */
type Extremes = { slowest: Key; fastest: Key } | null

/** Segments that the extremes are kept of. */
const MAX_KEPT = 100_000

/**
 * The extremes of full segments: rows never change, so what was read once stays true. With them a page asks the few segments
 * that its rows are in, not the 245 of a million tasks.
 */
export class SegmentExtremes {
  readonly #queries: Queries
  readonly #runs = new Map<number, Extremes[]>()
  #kept = 0

  constructor(queries: Queries) {
    this.#queries = queries
  }

  /** Of the run's full segments, by number. */
  of(runId: number, lastSequence: number): readonly Extremes[] {
    const full = (lastSequence + 1) >> SEGMENT_BITS
    const known = this.#runs.get(runId) ?? []
    if (known.length >= full) return known
    if (this.#kept + full - known.length > MAX_KEPT) {
      this.#runs.clear()
      this.#kept = 0
    }
    this.#kept += this.#runs.has(runId) ? full - known.length : full
    this.#runs.set(runId, known)
    while (known.length < full) known.push(this.#read(runId, known.length))
    return known
  }

  #read(runId: number, segment: number): Extremes {
    const [slowest] = this.#queries.all<Key>(SLOWEST.sql, { ...SLOWEST.params, runId, segment })
    const [fastest] = this.#queries.all<Key>(FASTEST.sql, { ...FASTEST.params, runId, segment })
    return slowest && fastest ? { slowest, fastest } : null
  }
}

/** The sequence numbers of a run's tasks, slowest first. */
export class SegmentedTimes {
  readonly #queries: Queries
  readonly #extremes: SegmentExtremes
  readonly #where: readonly string[]
  readonly #params: Params & { runId: number }

  /** The conditions are those of a filter. */
  constructor(
    queries: Queries,
    extremes: SegmentExtremes,
    { where, params }: { where: readonly string[]; params: Params & { runId: number } },
  ) {
    this.#queries = queries
    this.#extremes = extremes
    this.#where = where
    this.#params = params
  }

  read(request: { window: Window; direction: Direction; limit: number; lastSequence: number }): number[] {
    const { window, direction, limit, lastSequence } = request
    const segments = (lastSequence >> SEGMENT_BITS) + 1
    // Each segment gives about its share of the page; one that has more of it is asked again.
    const chunk = Math.min(limit, Math.max(8, Math.ceil((2 * limit) / segments)))
    // Made once: putting it together costs more than asking one segment.
    const query = this.#query({ window, direction, limit: chunk })
    const more = (last: Key) => this.#query({ window: narrowed(window, direction, last), direction, limit: chunk })
    const extremes = this.#extremes.of(this.#params.runId, lastSequence)
    const sources: SortedSource<Key>[] = []
    for (let segment = 0; segment < segments; segment++) {
      const known = extremes[segment]
      if (known === null) continue
      sources.push(this.#source(segment, { chunk, query, more, bound: known && boundOf(known, window, direction) }))
    }
    const isBefore = direction === 'forward' ? isSlower : (a: Key, b: Key) => isSlower(b, a)
    return mergeSorted(sources, isBefore, limit).map(([, sequence]) => sequence)
  }

  #source(
    segment: number,
    { chunk, query, more, bound }: { chunk: number; query: Query; more: (last: Key) => Query; bound: Key | undefined },
  ): SortedSource<Key> {
    let keys: Key[] | null = null
    let at = 0
    return {
      bound,
      next: () => {
        keys ??= this.#keys(segment, query)
        if (at === chunk) {
          keys = this.#keys(segment, more(keys[at - 1]!))
          at = 0
        }
        return keys[at++]
      },
    }
  }

  #keys(segment: number, { sql, params }: Query): Key[] {
    return this.#queries.all<Key>(sql, { ...params, segment })
  }

  #query(request: Walked): Query {
    const { sql, params } = segmentQuery(this.#where, request)
    return { sql, params: { ...this.#params, ...params } }
  }
}

interface Walked {
  window: Window
  direction: Direction
  limit: number
}

/** The keys of a segment's tasks that meet the conditions. Binds @runId and @segment. */
function segmentQuery(conditions: readonly string[], request: Walked): Query {
  const where = ['t."runId" = @runId', `t."sequence" >> ${SEGMENT_BITS} = @segment`, 't."serviceMs" IS NOT NULL']
  return walkQuery(
    { from: BY_SEGMENT, where: [...where, ...conditions], columns: KEYS.join(), keys: KEYS, descending: true },
    request,
  )
}

const EVERYWHERE: Window = { after: null, before: null }
const SLOWEST = segmentQuery([], { window: EVERYWHERE, direction: 'forward', limit: 1 })
const FASTEST = segmentQuery([], { window: EVERYWHERE, direction: 'backward', limit: 1 })

/** What no task of the segment in the window comes before, in the direction of reading. */
function boundOf({ slowest, fastest }: NonNullable<Extremes>, { after, before }: Window, direction: Direction): Key {
  if (direction === 'forward') return after && isSlower(slowest, toKey(after)) ? toKey(after) : slowest
  return before && isSlower(toKey(before), fastest) ? toKey(before) : fastest
}

function toKey([serviceMs = 0, sequence = 0]: Position): Key {
  return [serviceMs, sequence]
}

/** What is left of a window once it has been read up to `last`. */
function narrowed(window: Window, direction: Direction, last: Key): Window {
  return direction === 'forward' ? { ...window, after: last } : { ...window, before: last }
}

function isSlower(a: Key, b: Key): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])
}
