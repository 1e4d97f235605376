/** Picks the items that are to be tried, while all of them go by. */

import type { Json } from '../domain/batch.js'
import type { PickedItem } from './counter.js'
import { spreadIndexes } from './spread.js'

export class Picks {
  readonly #wanted: number
  /** Places to pick from, in the order of the items: the next one that will do stands for a place. */
  readonly #places: number[]
  readonly #picked: PickedItem[] = []
  /** The first ones that were passed over, where later ones will not do. */
  readonly #spare: PickedItem[] = []

  constructor(count: number, wanted: number) {
    this.#wanted = wanted
    this.#places = spreadIndexes(count, wanted).sort((a, b) => a - b)
  }

  /** To be called with each item that will do, in their order. */
  offer(index: number, item: Json): void {
    const [next] = this.#places
    if (next !== undefined && index >= next) {
      while (this.#places[0] !== undefined && this.#places[0] <= index) this.#places.shift()
      this.#picked.push({ index, item })
    } else if (this.#picked.length + this.#spare.length < this.#wanted) {
      this.#spare.push({ index, item })
    }
  }

  /** In the order of trying. */
  list(): PickedItem[] {
    const items = [...this.#picked, ...this.#spare].slice(0, this.#wanted).sort((a, b) => a.index - b.index)
    return spreadIndexes(items.length, items.length).map((place) => items[place]!)
  }
}
