/** How much larger the median of one sample is than that of another, and how sure that is. */

import { bdtrc, compiled } from 'cephes'
import { measurable } from './clock-step.js'

// The library is WebAssembly: from here on it answers at once.
await compiled

export interface MedianRatio {
  /** By nearest rank. */
  firstMs: number
  secondMs: number
  /** The second one over the first. */
  ratio: number
  /** The bounds of the interval. */
  low: number
  high: number
}

/** Of the interval: what lies below it, and what lies above. */
const TAIL = 0.025
/** The median of a resample lies a standard deviation of √n / 2 ranks around the sample's own: this is eight of them. */
const RANKS_AROUND = 4

/**
 * Of two samples, each ascending and with a value at least. The interval is that of the bootstrap: both samples are drawn anew, with
 * replacement, and the medians of what was drawn divided; 95 % of these ratios lie within it (B. Efron, Bootstrap methods: another look at the
 * jackknife, Annals of Statistics 7 (1979), and its percentile interval). Nothing is drawn at random: of a median it is known how
 * likely each value of the sample is to be that of a resample (J. S. Maritz and R. G. Jarrett, A note on estimating the variance of the
 * sample median, Journal of the American Statistical Association 73 (1978)), and so what endless resampling would come to is computed.
 */
export function medianRatio(first: Float64Array, second: Float64Array): MedianRatio {
  const [firstMs, secondMs] = [medianOf(first), medianOf(second)]
  const ratios = new ResampledRatios(resampledMedian(first), resampledMedian(second))
  return {
    firstMs,
    secondMs,
    ratio: measurable(secondMs) / measurable(firstMs),
    low: ratios.quantile(TAIL),
    high: ratios.quantile(1 - TAIL),
  }
}

function medianOf(sorted: Float64Array): number {
  return sorted[medianRank(sorted.length) - 1]!
}

/** By nearest rank, as all percentiles here. */
function medianRank(n: number): number {
  return Math.ceil(n / 2)
}

/** What the median of a resample may be. */
interface ResampledMedian {
  /** Ascending; what lies outside of them has no likelihood to speak of. */
  values: Float64Array
  /** How likely it is to be at most each of them. */
  atMost: Float64Array
}

/**
 * The median of n values drawn from the sample is at most its i-th one if at least as many of them as its rank tells are drawn
 * from the first i: a binomial distribution of n draws with the chance of i / n. (Ranks of uniform numbers, it is the beta distribution.)
 */
function resampledMedian(sorted: Float64Array): ResampledMedian {
  const n = sorted.length
  const rank = medianRank(n)
  const around = Math.ceil(RANKS_AROUND * Math.sqrt(n))
  const [from, to] = [Math.max(0, rank - 1 - around), Math.min(n, rank + around)]
  const values = sorted.slice(from, to).map(measurable)
  const atMost = new Float64Array(to - from)
  for (let at = from; at < to; at += 1) atMost[at - from] = at === to - 1 ? 1 : bdtrc(rank - 1, n, (at + 1) / n)
  return { values, atMost }
}

/** The ratios of the medians of all pairs of resamples. */
class ResampledRatios {
  constructor(
    private readonly below: ResampledMedian,
    private readonly above: ResampledMedian,
  ) {}

  /** The smallest ratio that such a share of them, or more, is at most. */
  quantile(share: number): number {
    let low = this.above.values[0]! / this.below.values.at(-1)!
    let high = this.above.values.at(-1)! / this.below.values[0]!
    if (this.#atMost(low) >= share) return low
    // Down to two numbers that have none between them: the upper one is a ratio of two values, without an error of its own.
    for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
      if (this.#atMost(middle) >= share) high = middle
      else low = middle
    }
    return high
  }

  /** The share of ratios that are at most this. */
  #atMost(ratio: number): number {
    const { below, above } = this
    let [share, reached] = [0, 0]
    for (let at = 0; at < below.values.length; at += 1) {
      const value = below.values[at]!
      while (reached < above.values.length && above.values[reached]! / value <= ratio) reached += 1
      const likelihood = below.atMost[at]! - (below.atMost[at - 1] ?? 0)
      if (reached > 0) share += likelihood * above.atMost[reached - 1]!
    }
    return share
  }
}
