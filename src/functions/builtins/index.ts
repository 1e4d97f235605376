import type { ComputeFunction } from '../function.js'
import { countPrimes } from './countPrimes.js'
import { sumOfSquares } from './sumOfSquares.js'

/** The functions that every server has. */
export const BUILTINS: readonly ComputeFunction[] = [sumOfSquares, countPrimes]
