/** How much was in service, and how much ended, over the time of a run: in so many stretches, however long it took. */

/** Stretches are doubled when they would become more. */
const STRETCHES = 1_024
const FIRST_STRETCH_MS = 1 / 64

/** Tasks in a stretch of throughput, on the average: with fewer it would jump between none and many. */
const TASKS_A_STRETCH = 8

/** Of a stretch of time, from `atMs` to where the next one begins. */
export interface LoadPoint {
  atMs: number
  /** On the average of the stretch: tasks, or tasks a second. */
  value: number
}

export class LoadCurve {
  #stretchMs = FIRST_STRETCH_MS
  #busyMs = new Float64Array(STRETCHES)
  #ended = new Float64Array(STRETCHES)
  /** Attempts that last over the whole of a stretch: by how many there are more, or fewer, than in the one before. */
  #change = new Float64Array(STRETCHES + 1)
  #endMs = 0

  /** An attempt that was in service from one time to another, neither below 0. */
  add(startMs: number, endMs: number): void {
    this.#reach(endMs)
    const [first, last] = [this.#stretchOf(startMs), this.#stretchOf(endMs)]
    if (first === last) {
      this.#busyMs[first]! += endMs - startMs
      return
    }
    this.#busyMs[first]! += (first + 1) * this.#stretchMs - startMs
    this.#busyMs[last]! += endMs - last * this.#stretchMs
    this.#change[first + 1]! += 1
    this.#change[last]! -= 1
  }

  /** A task that ended. */
  end(atMs: number): void {
    this.#reach(atMs)
    this.#ended[this.#stretchOf(atMs)]! += 1
  }

  /** How much was in service. The last one is the end of all, with nothing in it, as of throughput. */
  inFlight(): LoadPoint[] {
    this.#settle()
    return this.#points(1, (first) => this.#busyMs[first]! / this.#stretchMs)
  }

  /** How much ended, in wider stretches where it was little. */
  throughput(): LoadPoint[] {
    const ended = this.#ended.reduce((sum, count) => sum + count, 0)
    const width = Math.ceil((this.#stretches * TASKS_A_STRETCH) / Math.max(ended, TASKS_A_STRETCH))
    return this.#points(width, (first) => {
      const own = this.#ended.subarray(first, first + width)
      return own.reduce((sum, count) => sum + count, 0) / (width * this.#stretchMs * 1e-3)
    })
  }

  get #stretches(): number {
    return this.#endMs === 0 ? 0 : this.#stretchOf(this.#endMs) + 1
  }

  /** One for each `width` stretches. */
  #points(width: number, valueAt: (first: number) => number): LoadPoint[] {
    const count = Math.ceil(this.#stretches / width)
    if (count === 0) return []
    const atMs = (at: number) => at * width * this.#stretchMs
    const points = Array.from({ length: count }, (_, at) => ({ atMs: atMs(at), value: valueAt(at * width) }))
    return [...points, { atMs: atMs(count), value: 0 }]
  }

  #stretchOf(atMs: number): number {
    return Math.floor(atMs / this.#stretchMs)
  }

  #reach(atMs: number): void {
    this.#endMs = Math.max(this.#endMs, atMs)
    while (this.#stretchOf(atMs) >= STRETCHES) this.#double()
  }

  #double(): void {
    this.#settle()
    this.#busyMs = paired(this.#busyMs)
    this.#ended = paired(this.#ended)
    this.#stretchMs *= 2
  }

  /** What lasts over whole stretches becomes time in each of them. */
  #settle(): void {
    let whole = 0
    for (let at = 0; at < STRETCHES; at += 1) {
      whole += this.#change[at]!
      this.#busyMs[at]! += whole * this.#stretchMs
    }
    this.#change.fill(0)
  }
}

function paired(values: Float64Array): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(STRETCHES)
  for (let at = 0; at < STRETCHES; at += 1) sums[at >> 1]! += values[at]!
  return sums
}
