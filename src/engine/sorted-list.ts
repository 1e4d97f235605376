/** A list that stays in order. What an item is ordered by must not change while it is in the list. */
export class SortedList<Item> implements Iterable<Item> {
  readonly #items: Item[] = []

  /** `compare` as for Array.sort; equal ones stay in the order of their coming. */
  constructor(private readonly compare: (a: Item, b: Item) => number) {}

  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values()
  }

  add(item: Item): void {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(this.#items[middle]!, item) <= 0) low = middle + 1
      else high = middle
    }
    this.#items.splice(low, 0, item)
  }

  /** Whether it was there. */
  remove(item: Item): boolean {
    const place = this.#items.indexOf(item)
    if (place >= 0) this.#items.splice(place, 1)
    return place >= 0
  }
}
