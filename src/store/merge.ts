/** The first `limit` elements of several sorted sources, in their common order. */

export interface SortedSource<T> {
  /** No element is before this one; undefined where nothing is known of them. */
  readonly bound?: T | undefined
  /** The next element, or undefined at the end. */
  next(): T | undefined
}

/** Where a source has come to: its next element, or what is known of it while the source has not been asked. */
interface Head<T> {
  readonly source: SortedSource<T>
  element: T | undefined
  isBound: boolean
}

/**
 * `isBefore` is the order; where neither of two is before the other, the earlier source goes first. A source with a bound is
 * not asked before the result comes that far.
 */
export function mergeSorted<T>(
  sources: readonly SortedSource<T>[],
  isBefore: (a: T, b: T) => boolean,
  limit: number,
): T[] {
  const heads = sources.map((source): Head<T> => {
    const isBound = source.bound !== undefined
    return { source, element: isBound ? source.bound : source.next(), isBound }
  })
  const merged: T[] = []
  while (merged.length < limit) {
    const first = firstOf(heads, isBefore)
    if (first?.element === undefined) break
    if (!first.isBound) merged.push(first.element)
    first.element = first.source.next()
    first.isBound = false
  }
  return merged
}

function firstOf<T>(heads: readonly Head<T>[], isBefore: (a: T, b: T) => boolean): Head<T> | undefined {
  let first: Head<T> | undefined
  for (const head of heads) {
    if (head.element === undefined) continue
    if (first?.element === undefined || isBefore(head.element, first.element)) first = head
  }
  return first
}
