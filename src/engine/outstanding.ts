/** What a lane was granted and has not reported: an index and the number of its attempt for each. */

import { toStretches } from '../domain/notes.js'
import type { Stretch } from '../domain/strikes.js'
import type { Grant } from '../lanes/protocol.js'

/** A grant of fewer items than this is kept item by item. */
const MIN_STRETCH = 32

/** Items first, first + 1, … of one grant, all at their first attempt. */
interface Reporting {
  first: number
  left: number
  /** A byte for each, 1 once it is reported: a map of a million numbers is 80 MB of garbage. */
  reported: Uint8Array
}

export class Outstanding {
  /** Oldest first, as they are reported. */
  #stretches: Reporting[] = []
  /** Attempts by index. */
  readonly #single = new Map<number, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add({ first, count, indexes, attempts }: Grant): void {
    this.#size += count
    if (indexes === null && attempts === null && count >= MIN_STRETCH) {
      this.#stretches.push({ first, left: count, reported: new Uint8Array(count) })
      return
    }
    for (let at = 0; at < count; at += 1) this.#single.set(indexes?.[at] ?? first + at, attempts?.[at] ?? 1)
  }

  has(index: number): boolean {
    return this.#single.has(index) || this.#stretchOf(index) !== undefined
  }

  /** Takes out what has been reported. */
  remove(index: number): void {
    const stretch = this.#stretchOf(index)
    if (stretch === undefined) {
      if (this.#single.delete(index)) this.#size -= 1
      return
    }
    stretch.reported[index - stretch.first] = 1
    stretch.left -= 1
    this.#size -= 1
    if (stretch.left === 0) this.#stretches = this.#stretches.filter((one) => one !== stretch)
  }

  /** All that is left; of a grant that is kept as one, those that have been reported since may be among it. */
  stretches(): Stretch[] {
    const whole = this.#stretches.map(({ first, reported }) => ({ first, count: reported.length }))
    return [...whole, ...toStretches(this.#single.keys())]
  }

  /** Attempts by index, of all that is left; nothing is left afterwards. */
  takeAll(): Map<number, number> {
    const all = new Map(this.#single)
    for (const { first, reported } of this.#stretches) {
      reported.forEach((isReported, at) => {
        if (isReported === 0) all.set(first + at, 1)
      })
    }
    this.#single.clear()
    this.#stretches = []
    this.#size = 0
    return all
  }

  /** The one that has the index unreported. */
  #stretchOf(index: number): Reporting | undefined {
    for (const stretch of this.#stretches) {
      const at = index - stretch.first
      if (at >= 0 && at < stretch.reported.length && stretch.reported[at] === 0) return stretch
    }
    return undefined
  }
}
