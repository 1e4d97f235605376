import { IndexSet } from '../../src/domain/indexset.js'

export function setOf(bound: number, indexes: Iterable<number>): IndexSet {
  const set = new IndexSet(bound)
  for (const index of indexes) set.add(index)
  return set
}

/** All but these. */
export function allBut(bound: number, indexes: Iterable<number>): IndexSet {
  return setOf(bound, indexes).complement()
}

export function membersOf(set: IndexSet | null): number[] | null {
  return set && Array.from({ length: set.bound }, (_, index) => index).filter((index) => set.has(index))
}
