import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Reducer } from '../../../src/domain/batch.js'
import { addDecimals, type Decimal, decimalOfNumber, decimalToJson, parseDecimal } from '../../../src/domain/decimal.js'
import { createFold, createReducer, type ReductionState } from '../../../src/domain/reduction.js'

const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const decimalTexts = fc
  .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: -40, max: 40 }))
  .map(([digits, exponent]) => `${digits}e${exponent}`)
const outputs = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  finite,
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
  decimalTexts,
)

function exact(value: number | bigint | string): Decimal {
  if (typeof value === 'number') return decimalOfNumber(value)
  return typeof value === 'bigint' ? { coefficient: value, scale: 0 } : (parseDecimal(value) as Decimal)
}

/** Left to right, through the pure functions. */
function reduceAll(reducer: Reducer, values: readonly unknown[]): ReductionState {
  const { add, empty } = createReducer(reducer)
  return values.reduce<ReductionState>((state, value) => add(state, value), empty())
}

/** In blocks, each folded in place, the states merged. */
function foldInBlocks(reducer: Reducer, values: readonly unknown[], blockSize: number): ReductionState {
  const { merge, empty } = createReducer(reducer)
  const fold = createFold(reducer)
  let merged = empty()
  for (let from = 0; from < values.length; from += blockSize) {
    fold.reset()
    for (const value of values.slice(from, from + blockSize)) fold.add(value)
    // What a lane sends is cloned, what the store keeps is JSON.
    merged = merge(JSON.parse(JSON.stringify(structuredClone(fold.state()))) as ReductionState, merged)
  }
  return merged
}

function sumOf(values: readonly unknown[]): unknown {
  return createReducer('SUM').result(foldInBlocks('SUM', values, 3))
}

describe('SUM', () => {
  it('is null of nothing', () => {
    expect(sumOf([])).toBeNull()
    expect(createReducer('SUM').result(createReducer('SUM').empty())).toBeNull()
  })

  it('is exact for integers of any size, in numbers, BigInts and decimal strings', () => {
    expect(sumOf([1, 2, 3])).toBe(6)
    expect(sumOf([333333283333335000000n, '2666666466666670000000', 8999999550000005000000n])).toBe(
      '11999999300000010000000',
    )
    expect(sumOf([2 ** 53 - 1, 1])).toBe('9007199254740992')
    expect(sumOf(['9007199254740993', -(2 ** 53 - 1)])).toBe(2)
  })

  it('rounds once, as math.fsum does', () => {
    expect(sumOf(Array.from({ length: 10 }, () => 0.1))).toBe(1)
    expect(sumOf([0.1, 0.2, 0.3])).toBe(0.6)
    expect(sumOf([1e308, 0.5, -1e308])).toBe(0.5)
    expect(sumOf([1, 1e100, 1, -1e100])).toBe(2)
    expect(sumOf([2 ** 53 - 1, 0.5, 0.5])).toBe('9007199254740992')
  })

  it('takes decimal strings as exact decimals', () => {
    expect(sumOf(['0.1', '0.2'])).toBe(0.3)
    expect(sumOf(['1e-7', '9e-7'])).toBe(0.000001)
    expect(sumOf(Array.from({ length: 10 }, () => '0.1'))).toBe(1)
  })

  it('does not overflow on its way', () => {
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, 0.5, -Number.MAX_VALUE])).toBe(0.5)
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE])).toBe(String(2n * BigInt(Number.MAX_VALUE)))
  })

  it('is the exact sum whatever the order and the blocks', () => {
    const cases = fc.array(outputs, { maxLength: 40 }).chain((values) =>
      fc.record({
        values: fc.constant(values),
        shuffled: fc.shuffledSubarray(values, { minLength: values.length, maxLength: values.length }),
        blockSize: fc.integer({ min: 1, max: 12 }),
      }),
    )
    fc.assert(
      fc.property(cases, ({ values, shuffled, blockSize }) => {
        const state = reduceAll('SUM', values)
        expect(foldInBlocks('SUM', shuffled, blockSize)).toEqual(state)
        const sum = values.map(exact).reduce(addDecimals, { coefficient: 0n, scale: 0 })
        expect(createReducer('SUM').result(state)).toEqual(values.length === 0 ? null : decimalToJson(sum))
      }),
    )
  })

  it('agrees with BigInt arithmetic on integers', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.maxSafeInteger(), fc.bigInt()), { minLength: 1 }), (values) => {
        const sum = values.reduce<bigint>((total, value) => total + BigInt(value), 0n)
        expect(BigInt(sumOf(values) as number | string)).toBe(sum)
      }),
    )
  })

  it('keeps its state small', () => {
    const fold = createFold('SUM')
    for (let at = 0; at < 20_000; at += 1) fold.add(Math.sin(at) * 1000)
    expect(JSON.stringify(fold.state()).length).toBeLessThan(200)
  })
})

describe.each(['MIN', 'MAX'] as const)('%s', (reducer) => {
  const result = (values: readonly unknown[]) => createReducer(reducer).result(foldInBlocks(reducer, values, 2))

  it('is null of nothing', () => {
    expect(result([])).toBeNull()
  })

  it('compares numbers with decimal strings and BigInts exactly', () => {
    const values = [9007199254740993n, '9007199254740994', 0.1, '0.1', -3]
    expect(result(values)).toBe(reducer === 'MIN' ? -3 : '9007199254740994')
    // The double 0.1 is a little more than the decimal.
    expect(foldInBlocks(reducer, [0.1, '0.1'], 1).value).toBe(
      reducer === 'MIN' ? '1e-1' : '1000000000000000055511151231257827021181583404541015625e-55',
    )
  })

  it('is the same whatever the order and the blocks, and one of the values', () => {
    fc.assert(
      fc.property(fc.array(outputs, { minLength: 1 }), fc.integer({ min: 1, max: 9 }), (values, blockSize) => {
        const state = reduceAll(reducer, values)
        expect(foldInBlocks(reducer, values.toReversed(), blockSize)).toEqual(state)
        const best = values.map(exact).reduce((a, b) => {
          const scale = Math.max(a.scale, b.scale)
          const [left, right] = [a, b].map((d) => d.coefficient * 10n ** BigInt(scale - d.scale)) as [bigint, bigint]
          return (reducer === 'MIN' ? left <= right : left >= right) ? a : b
        })
        expect(createReducer(reducer).result(state)).toEqual(decimalToJson(best))
      }),
    )
  })
})

describe.each(['SUM', 'MIN', 'MAX'] as const)('%s refuses', (reducer) => {
  it.each<[unknown, string]>([
    ['abc', 'the string "abc"'],
    ['', 'the string ""'],
    ['x'.repeat(1000), `the string "${'x'.repeat(40)}…"`],
    ['1e999999999', 'the string "1e999999999"'],
    [Number.NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'a boolean'],
    [[1], 'an array'],
    [{ n: 1 }, 'an object'],
  ])('%o, and says so', (value, what) => {
    const fold = createFold(reducer)
    fold.add(1)
    const before = fold.state()
    const message = `${reducer} takes numbers and decimal strings (exponents to ±10000), and the output is ${what}`
    expect(() => fold.add(value)).toThrow(message)
    expect(fold.state()).toEqual(before)
    expect(() => createReducer(reducer).add(before, value)).toThrow(message)
  })
})

describe('COUNT and COLLECT', () => {
  it('count any output', () => {
    const values = [1, 'x', null, undefined, { a: 1 }, Number.NaN]
    expect(foldInBlocks('COUNT', values, 4)).toEqual({ count: 6, value: null })
    expect(reduceAll('COLLECT', values)).toEqual({ count: 6, value: null })
    expect(createReducer('COUNT').result(foldInBlocks('COUNT', values, 4))).toBe(6)
    expect(createReducer('COUNT').result(createReducer('COUNT').empty())).toBe(0)
    expect(createReducer('COLLECT').result(reduceAll('COLLECT', values))).toBeNull()
  })
})
