/** How fast a run goes, and when it will end: both from what has ended so far. */

/** Throughput is that of the last five seconds. */
export const WINDOW_MS = 5000
const SLICE_MS = 500
/** Closer samples are not told apart. */
const SPACING_MS = 50
/** Two for each spacing at most, and the one before the window. */
const SAMPLES = 2 * (WINDOW_MS / SPACING_MS) + 2

/**
 * The count of ended tasks over the last five seconds. Times are of one monotonic clock, in milliseconds; the first
 * sample is the start, with what had ended before it.
 */
export class ThroughputWindow {
  readonly #times = new Float64Array(SAMPLES)
  readonly #dones = new Float64Array(SAMPLES)
  /** Samples ever taken; sample s is at s % SAMPLES. */
  #taken = 0
  #startMs = 0

  record(nowMs: number, done: number): void {
    if (this.#taken === 0) this.#startMs = nowMs
    // The newest sample moves along until it is far enough from the one before it.
    const moves = this.#taken >= 2 && nowMs - this.#timeOf(this.#taken - 2) < SPACING_MS
    const at = (moves ? this.#taken - 1 : this.#taken) % SAMPLES
    this.#times[at] = nowMs
    this.#dones[at] = done
    if (!moves) this.#taken += 1
  }

  /** Tasks a second over the last five seconds, or since the start if that is later. */
  perSecond(nowMs: number): number {
    if (this.#taken === 0) return 0
    const spanMs = Math.min(WINDOW_MS, nowMs - this.#startMs)
    if (spanMs <= 0) return 0
    return ((this.#doneAt(nowMs) - this.#doneAt(nowMs - spanMs)) * 1000) / spanMs
  }

  /** How many tasks ended in each half second of the window, newest first; what is before the start is left out. */
  slices(nowMs: number): number[] {
    if (this.#taken === 0) return []
    const spanMs = Math.min(WINDOW_MS, nowMs - this.#startMs)
    const count = Math.max(0, Math.floor(spanMs / SLICE_MS))
    return Array.from({ length: count }, (_, at) => {
      const endMs = nowMs - at * SLICE_MS
      return this.#doneAt(endMs) - this.#doneAt(endMs - SLICE_MS)
    })
  }

  #timeOf(sample: number): number {
    return this.#times[sample % SAMPLES] ?? 0
  }

  /** As of the last sample at or before that time; the oldest kept where there is none. */
  #doneAt(timeMs: number): number {
    const oldest = Math.max(0, this.#taken - SAMPLES)
    let sample = this.#taken - 1
    while (sample > oldest && this.#timeOf(sample) > timeMs) sample -= 1
    return this.#dones[sample % SAMPLES] ?? 0
  }
}

export interface EstimateInput {
  done: number
  total: number
  /** Since the run's first start. */
  elapsedMs: number
  /** Tasks a second, ThroughputWindow.perSecond. */
  throughput: number
  /** ThroughputWindow.slices. */
  slices: readonly number[]
}

export interface Estimate {
  etaMs: number
  /** The end is later than this one time in ten. */
  etaHighMs: number
}

/** The normal distribution's 90 % point. */
const Z90 = 1.2816
/** Student's t, its 90 % points for 1 to 9 degrees of freedom. */
const T90 = [3.078, 1.886, 1.638, 1.533, 1.476, 1.44, 1.415, 1.397, 1.383]

/**
 * The likely time to the end is what is left over the recent throughput (over the whole run's, while nothing moves).
 * Null while nothing has ended.
 *
 * The high one is the latest of three: the likely one; what is left at the whole run's average rate; and a bound of 90 %,
 * by one of two models. With three slices or more, of mean m and variance s², the T slices to come bring T·m tasks
 * with a variance of s²(T + T²/k), their own and that of m as k slices tell it: T solves
 * T·m - t·s·√(T + T²/k) = left, t being Student's for k - 1 degrees of freedom. Where that has no solution (a rate that
 * cannot be told from 0), or with fewer slices, the ended tasks are taken as a Poisson count d, whose rate is in one case
 * of ten below d·(1 - 1/(9d) - z/(3√d))³ / d of the measured one (Wilson and Hilferty).
 */
export function estimateEnd(input: EstimateInput): Estimate | null {
  const { done, total, elapsedMs, throughput, slices } = input
  if (done <= 0 || elapsedMs <= 0) return null
  const left = total - done
  if (left <= 0) return { etaMs: 0, etaHighMs: 0 }
  const averageMs = (left * elapsedMs) / done
  const etaMs = throughput > 0 ? (left * 1000) / throughput : averageMs
  const boundMs = boundFromSlices(left, slices) ?? etaMs / poissonLow(done)
  return { etaMs, etaHighMs: Math.max(etaMs, averageMs, boundMs) }
}

function boundFromSlices(left: number, slices: readonly number[]): number | null {
  const k = slices.length
  if (k < 3) return null
  const mean = slices.reduce((sum, count) => sum + count, 0) / k
  const squares = slices.reduce((sum, count) => sum + (count - mean) ** 2, 0)
  // 1/12: a slice ends anywhere between two tasks, so that equal counts still say nothing of the fraction.
  const variance = squares / (k - 1) + 1 / 12
  const spread = (T90[k - 2] ?? Z90) ** 2 * variance
  // (T·m - left)² = spread·(T + T²/k): the larger root of a·T² - b·T + left² = 0.
  const a = mean ** 2 - spread / k
  const b = 2 * left * mean + spread
  if (mean <= 0 || a <= 0) return null
  return (SLICE_MS * (b + Math.sqrt(b ** 2 - 4 * a * left ** 2))) / (2 * a)
}

/** The share of a rate measured from `count` events that the true one is above in nine cases of ten. */
function poissonLow(count: number): number {
  return (1 - 1 / (9 * count) - Z90 / (3 * Math.sqrt(count))) ** 3
}
