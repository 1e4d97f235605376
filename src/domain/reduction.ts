/** Folding of outputs: SUM, MIN, MAX, COUNT and COLLECT, the same whatever the order and however the parts were merged. */

import type { Json, Reducer } from './batch.js'
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  decimalOfNumber,
  decimalToJson,
  MAX_EXPONENT,
  parseDecimal,
  readDecimal,
  writeDecimal,
  ZERO,
} from './decimal.js'

/** A partial fold: small, survives a structured clone and JSON, and merges with any other of the same reducer. */
export interface ReductionState {
  /** How many outputs are in it. */
  count: number
  /** The fold of them, exact; null where the reducer keeps none (COUNT, COLLECT) or there is none yet. */
  value: string | null
}

/** Folding without side effects. COLLECT keeps the count alone: its value is read from the stored outputs. */
export interface ReducerFunctions {
  empty(): ReductionState
  /** Throws an Error that says what is wrong with an output that SUM, MIN or MAX cannot take. */
  add(state: ReductionState, value: unknown): ReductionState
  merge(a: ReductionState, b: ReductionState): ReductionState
  /**
   * SUM, MIN, MAX: null where there is nothing; an integer exactly, as a decimal string from 2^53 on; else the exact
   * value rounded once to a double. COUNT: the count. COLLECT: null.
   */
  result(state: ReductionState): Json
}

/** A fold that changes in place: what a lane keeps between two blocks of results. */
export interface Fold {
  /** As ReducerFunctions.add; where it throws, nothing has changed. */
  add(value: unknown): void
  state(): ReductionState
  reset(): void
}

type Folded = Exclude<Reducer, 'COUNT' | 'COLLECT'>

const COMBINE: Record<Folded, (a: Decimal, b: Decimal) => Decimal> = {
  SUM: addDecimals,
  MIN: (a, b) => (compareDecimals(a, b) <= 0 ? a : b),
  MAX: (a, b) => (compareDecimals(a, b) >= 0 ? a : b),
}

export function createReducer(reducer: Reducer): ReducerFunctions {
  const empty = (): ReductionState => ({ count: 0, value: null })
  if (reducer === 'COUNT' || reducer === 'COLLECT') {
    return {
      empty,
      add: (state) => ({ count: state.count + 1, value: null }),
      merge: (a, b) => ({ count: a.count + b.count, value: null }),
      result: (state) => (reducer === 'COUNT' ? state.count : null),
    }
  }
  const merge = (a: ReductionState, b: ReductionState): ReductionState => {
    const count = a.count + b.count
    if (a.value === null || b.value === null) return { count, value: a.value ?? b.value }
    return { count, value: writeDecimal(COMBINE[reducer](readDecimal(a.value), readDecimal(b.value))) }
  }
  return {
    empty,
    merge,
    add: (state, value) => merge(state, { count: 1, value: writeDecimal(exactValue(reducer, value)) }),
    result: (state) => (state.value === null ? null : decimalToJson(readDecimal(state.value))),
  }
}

export function createFold(reducer: Reducer): Fold {
  switch (reducer) {
    case 'SUM':
      return new SumFold()
    case 'MIN':
    case 'MAX':
      return new ExtremeFold(reducer)
    case 'COUNT':
    case 'COLLECT':
      return new CountFold()
  }
}

class CountFold implements Fold {
  #count = 0

  add(): void {
    this.#count += 1
  }

  state(): ReductionState {
    return { count: this.#count, value: null }
  }

  reset(): void {
    this.#count = 0
  }
}

/** Below these, adding two doubles cannot overflow. */
const MAX_PARTIAL = 2 ** 1000

/**
 * The sum is #small + #integers + Σ #partials + #rest, each part exact: numbers are added as numbers for as long as
 * that loses nothing, and become decimals when the state is asked for.
 */
class SumFold implements Fold {
  #count = 0
  /** |#small| < 2^53. */
  #small = 0
  #integers = 0n
  /** Doubles that do not overlap, smallest first (Shewchuk 1997, as in Python's math.fsum). */
  readonly #partials: number[] = []
  #rest: Decimal = ZERO

  add(value: unknown): void {
    if (typeof value === 'number') this.#addNumber(value)
    else if (typeof value === 'bigint') this.#integers += value
    else this.#addExact(exactValue('SUM', value))
    this.#count += 1
  }

  #addNumber(value: number): void {
    if (Number.isSafeInteger(value)) {
      const sum = this.#small + value
      if (sum <= Number.MAX_SAFE_INTEGER && sum >= -Number.MAX_SAFE_INTEGER) {
        this.#small = sum
        return
      }
      this.#integers += BigInt(this.#small)
      this.#small = value
    } else if (Math.abs(value) < MAX_PARTIAL) this.#addPartial(value)
    else this.#addExact(exactValue('SUM', value))
  }

  #addExact(value: Decimal): void {
    if (value.scale === 0) this.#integers += value.coefficient
    else this.#rest = addDecimals(this.#rest, value)
  }

  #addPartial(value: number): void {
    const partials = this.#partials
    let kept = 0
    let carried = value
    for (const partial of partials) {
      const [big, small] = Math.abs(carried) < Math.abs(partial) ? [partial, carried] : [carried, partial]
      const sum = big + small
      const lost = small - (sum - big)
      if (lost !== 0) {
        partials[kept] = lost
        kept += 1
      }
      carried = sum
    }
    partials[kept] = carried
    partials.length = kept + 1
    if (Math.abs(carried) >= MAX_PARTIAL) this.#flushPartials()
  }

  #flushPartials(): void {
    for (const partial of this.#partials) this.#addExact(decimalOfNumber(partial))
    this.#partials.length = 0
  }

  state(): ReductionState {
    if (this.#count === 0) return { count: 0, value: null }
    this.#flushPartials()
    const integers: Decimal = { coefficient: this.#integers + BigInt(this.#small), scale: 0 }
    return { count: this.#count, value: writeDecimal(addDecimals(integers, this.#rest)) }
  }

  reset(): void {
    this.#count = 0
    this.#small = 0
    this.#integers = 0n
    this.#partials.length = 0
    this.#rest = ZERO
  }
}

/** MIN and MAX: the best of the numbers as a number, and the best of all else. */
class ExtremeFold implements Fold {
  readonly #reducer: 'MIN' | 'MAX'
  #count = 0
  /** NaN for none. */
  #number = Number.NaN
  #other: Decimal | null = null

  constructor(reducer: 'MIN' | 'MAX') {
    this.#reducer = reducer
  }

  add(value: unknown): void {
    if (typeof value === 'number' && Number.isFinite(value)) {
      const best = this.#number
      const better = this.#reducer === 'MIN' ? value < best : value > best
      if (better || Number.isNaN(best)) this.#number = value
    } else {
      const exact = exactValue(this.#reducer, value)
      this.#other = this.#other === null ? exact : COMBINE[this.#reducer](this.#other, exact)
    }
    this.#count += 1
  }

  state(): ReductionState {
    const number = Number.isNaN(this.#number) ? null : decimalOfNumber(this.#number)
    const both = number && this.#other ? COMBINE[this.#reducer](number, this.#other) : (number ?? this.#other)
    return { count: this.#count, value: both && writeDecimal(both) }
  }

  reset(): void {
    this.#count = 0
    this.#number = Number.NaN
    this.#other = null
  }
}

function exactValue(reducer: Folded, value: unknown): Decimal {
  if (typeof value === 'number' && Number.isFinite(value)) return decimalOfNumber(value)
  if (typeof value === 'bigint') return { coefficient: value, scale: 0 }
  const parsed = typeof value === 'string' ? parseDecimal(value) : null
  if (parsed) return parsed
  throw new Error(
    `${reducer} takes numbers and decimal strings (exponents to ±${MAX_EXPONENT}), and the output is ${named(value)}`,
  )
}

function named(value: unknown): string {
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`
  if (typeof value === 'number' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
