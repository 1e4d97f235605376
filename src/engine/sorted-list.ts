/** A list that stays in order. What an item is ordered by must not change while it is in the list. */
export class SortedList<Item> implements Iterable<Item> {
  readonly #items: Item[] = []

  /** `compare` as for Array.sort; equal ones stay in the order of their coming. */
  constructor(private readonly compare: (a: Item, b: Item) => number) {}

  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values()
  }

  add(item: Item): void {
    const place = this.#firstWhere((one) => this.compare(one, item) > 0)
    this.#items.splice(place, 0, item)
  }

  /** Whether it was there. */
  remove(item: Item): boolean {
    const place = this.#items.indexOf(
      item,
      this.#firstWhere((one) => this.compare(one, item) >= 0),
    )
    if (place >= 0) this.#items.splice(place, 1)
    return place >= 0
  }

  /** The first place from which on it holds for all. */
  #firstWhere(holds: (item: Item) => boolean): number {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (holds(this.#items[middle]!)) high = middle
      else low = middle + 1
    }
    return low
  }
}
