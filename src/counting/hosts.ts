/** Counts the items of each host, however many hosts there are. */

import { type HostCount, MAX_NAMED_HOSTS } from '../domain/plan.js'
import { Fingerprints } from './fingerprints.js'

/** Hosts that are kept by name; of others the first item is kept, by which the name is found again. */
const MAX_KEPT = 10_000

interface Tally {
  /** Null where it is to be found by the item. */
  host: string | null
  first: number
  items: number
}

export class HostCounter {
  readonly #kept = new Map<string, Tally>()
  /** Each with its first item and how many there are. */
  readonly #others = new Fingerprints(2)

  constructor(private readonly maxKept = MAX_KEPT) {}

  /** Different hosts so far. */
  get size(): number {
    return this.#kept.size + this.#others.size
  }

  /** To be called in the order of the items. */
  add(host: string, index: number): void {
    const kept = this.#kept.get(host)
    if (kept) kept.items += 1
    else if (this.#kept.size < this.maxKept) this.#kept.set(host, { host, first: index, items: 1 })
    else this.#addOther(host, index)
  }

  /** Those with the most items, most first; of equal ones whoever came first. `hostOf`: of the item at an index. */
  top(hostOf: (index: number) => string | null): HostCount[] {
    const first = new TopTallies(MAX_NAMED_HOSTS)
    for (const tally of this.#kept.values()) first.add(tally)
    for (const [index, items] of this.#others.entries()) first.add({ host: null, first: index!, items: items! })
    return first.list().map(({ host, first, items }) => ({ host: host ?? hostOf(first) ?? '', items }))
  }

  #addOther(host: string, index: number): void {
    const others = this.#others
    const isNew = others.enter(host)
    if (isNew) others.cells[others.at] = index
    others.cells[others.at + 1]! += 1
  }
}

/** Keeps the largest, in bounded memory. */
class TopTallies {
  #tallies: Tally[] = []

  constructor(private readonly max: number) {}

  add(tally: Tally): void {
    this.#tallies.push(tally)
    if (this.#tallies.length >= 2 * this.max) this.#tallies = this.list()
  }

  list(): Tally[] {
    return this.#tallies.sort((a, b) => b.items - a.items || a.first - b.first).slice(0, this.max)
  }
}
