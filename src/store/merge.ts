/** The first `limit` elements of several sorted sources, in their common order. */

export interface SortedSource<T> {
  /** The next element, or undefined at the end. */
  next(): T | undefined
}

/** `isBefore` is the order; where neither of two is before the other, the earlier source goes first. */
export function mergeSorted<T>(
  sources: readonly SortedSource<T>[],
  isBefore: (a: T, b: T) => boolean,
  limit: number,
): T[] {
  const heads = sources.map((source) => source.next())
  const merged: T[] = []
  while (merged.length < limit) {
    let first = -1
    for (let at = 0; at < heads.length; at++) {
      const head = heads[at]
      if (head !== undefined && (first < 0 || isBefore(head, heads[first]!))) first = at
    }
    if (first < 0) break
    merged.push(heads[first]!)
    heads[first] = sources[first]!.next()
  }
  return merged
}
