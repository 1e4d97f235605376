/**
 * Tasks by service time. The index keeps the order within segments of 4,096 sequence numbers, see the first migration;
 * the order over all of them comes from merging.
 */

import type { Direction, Window } from './keyset.js'
import { mergeSorted, type SortedSource } from './merge.js'
import { type Access, type Params, type Queries, walkQuery } from './query.js'

const SEGMENT_BITS = 12
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

/** The sequence numbers of a run's tasks, slowest first. */
export class SegmentedTimes {
  readonly #queries: Queries
  readonly #where: readonly string[]
  readonly #params: Params

  /** The conditions are those of a filter; `params` has @runId too. */
  constructor(queries: Queries, { where, params }: { where: readonly string[]; params: Params }) {
    this.#queries = queries
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
    const sources = Array.from({ length: segments }, (_, segment): SortedSource<Key> => {
      const more = (last: Key) => this.#query({ window: narrowed(window, direction, last), direction, limit: chunk })
      return this.#source(segment, { chunk, query, more })
    })
    const isBefore = direction === 'forward' ? isSlower : (a: Key, b: Key) => isSlower(b, a)
    return mergeSorted(sources, isBefore, limit).map(([, sequence]) => sequence)
  }

  #source(
    segment: number,
    { chunk, query, more }: { chunk: number; query: Query; more: (last: Key) => Query },
  ): SortedSource<Key> {
    let keys = this.#keys(segment, query)
    let at = 0
    return {
      next: () => {
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

  #query(request: { window: Window; direction: Direction; limit: number }): Query {
    const where = ['t."runId" = @runId', `t."sequence" >> ${SEGMENT_BITS} = @segment`, 't."serviceMs" IS NOT NULL']
    const { sql, params } = walkQuery(
      { from: BY_SEGMENT, where: [...where, ...this.#where], columns: KEYS.join(), keys: KEYS, descending: true },
      request,
    )
    return { sql, params: { ...this.#params, ...params } }
  }
}

/** What is left of a window once it has been read up to `last`. */
function narrowed(window: Window, direction: Direction, last: Key): Window {
  return direction === 'forward' ? { ...window, after: last } : { ...window, before: last }
}

function isSlower(a: Key, b: Key): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])
}
