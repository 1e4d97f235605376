/** Functions that were given up (timed out, cancelled) and go on all the same: a lane with some is not clean. */
export class Strays {
  #count = 0

  /** `onSettled` is called when the last one has settled. */
  constructor(private readonly onSettled: () => void) {}

  get count(): number {
    return this.#count
  }

  add(): void {
    this.#count += 1
  }

  remove(): void {
    this.#count -= 1
    if (this.#count === 0) this.onSettled()
  }
}
