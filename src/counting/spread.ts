/** Which items stand for all of them. */

/** Places to look at, by how much they tell: of a sorted source the first and the last differ the most. */
const PLACES = [0, 1, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]

/** Indexes of so many of `count` items, each once, in the order of trying. */
export function spreadIndexes(count: number, wanted: number): number[] {
  const indexes = new Set(PLACES.map((place) => Math.round(place * (count - 1))))
  // Of few items the places fall together.
  for (let index = 0; index < Math.min(count, wanted); index += 1) indexes.add(index)
  return [...indexes].filter((index) => index >= 0 && index < count).slice(0, wanted)
}
