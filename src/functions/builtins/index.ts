import type { ComputeFunction } from '../function.js'
import { atomicCounter } from './atomicCounter.js'
import { countPrimes } from './countPrimes.js'
import { hash } from './hash.js'
import { htmlSummary } from './htmlSummary.js'
import { imageSize } from './imageSize.js'
import { jsonQuery } from './jsonQuery.js'
import { mandelbrotRow } from './mandelbrotRow.js'
import { monteCarloPi } from './monteCarloPi.js'
import { racyCounter } from './racyCounter.js'
import { sortNumbers } from './sortNumbers.js'
import { statistics } from './statistics.js'
import { sumOfSquares } from './sumOfSquares.js'
import { wordFrequencies } from './wordFrequencies.js'

/** The functions that every server has, by name. What only one of them needs is loaded when it is first called. */
export const BUILTINS: readonly ComputeFunction[] = [
  atomicCounter,
  countPrimes,
  hash,
  htmlSummary,
  imageSize,
  jsonQuery,
  mandelbrotRow,
  monteCarloPi,
  racyCounter,
  sortNumbers,
  statistics,
  sumOfSquares,
  wordFrequencies,
]
