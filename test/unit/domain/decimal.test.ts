import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
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
} from '../../../src/domain/decimal.js'

const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const decimals = fc
  .record({ coefficient: fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }), scale: fc.nat(400) })
  .map((decimal): Decimal => decimal)

/** The double nearest to numerator / denominator, ties to even, by integer arithmetic alone. */
function nearestDouble(numerator: bigint, denominator: bigint): number {
  if (numerator === 0n) return 0
  if (numerator < 0n) return 0 - nearestDouble(-numerator, denominator)
  // The exponent of the last place: 53 bits of quotient, or what subnormals leave.
  let exponent = numerator.toString(2).length - denominator.toString(2).length - 53
  if (numerator * 2n ** BigInt(Math.max(0, -exponent)) >= denominator * 2n ** BigInt(Math.max(0, exponent) + 53)) {
    exponent += 1
  }
  exponent = Math.max(exponent, -1074)
  const scaled = numerator * 2n ** BigInt(Math.max(0, -exponent))
  const unit = denominator * 2n ** BigInt(Math.max(0, exponent))
  const quotient = scaled / unit
  const twice = (scaled % unit) * 2n
  const up = twice > unit || (twice === unit && quotient % 2n === 1n)
  // Two steps, as 2 ** -1074 times a small number is exact and 2 ** 1100 is not a double.
  const half = Math.trunc(exponent / 2)
  return Number(quotient + (up ? 1n : 0n)) * 2 ** half * 2 ** (exponent - half)
}

describe('parseDecimal', () => {
  it.each<[string, bigint, number]>([
    ['0', 0n, 0],
    ['-12', -12n, 0],
    ['+7', 7n, 0],
    ['007', 7n, 0],
    ['0.1', 1n, 1],
    ['-1.50', -150n, 2],
    ['1e-7', 1n, 7],
    ['1.25E3', 1250n, 0],
    ['12e+2', 1200n, 0],
    ['123456789012345678901234567890', 123456789012345678901234567890n, 0],
  ])('reads %s', (text, coefficient, scale) => {
    expect(parseDecimal(text)).toEqual({ coefficient, scale })
  })

  it.each(['', ' 1', '1 ', '.5', '5.', '1e', '0x10', '1_000', '1,5', 'NaN', 'Infinity', '--1', '1n', '١'])(
    'does not read %o',
    (text) => {
      expect(parseDecimal(text)).toBeNull()
    },
  )

  it('refuses exponents that would make a billion digits of a few bytes', () => {
    expect(parseDecimal(`1e${MAX_EXPONENT}`)).not.toBeNull()
    expect(parseDecimal(`1e-${MAX_EXPONENT}`)).not.toBeNull()
    expect(parseDecimal(`1e${MAX_EXPONENT + 1}`)).toBeNull()
    expect(parseDecimal('1e-999999999999999999999')).toBeNull()
  })
})

describe('decimalOfNumber', () => {
  it('is exact', () => {
    expect(decimalOfNumber(0.5)).toEqual({ coefficient: 5n, scale: 1 })
    expect(writeDecimal(decimalOfNumber(0.1))).toBe('1000000000000000055511151231257827021181583404541015625e-55')
    expect(decimalOfNumber(1e22)).toEqual({ coefficient: 10n ** 22n, scale: 0 })
  })

  it('reads back as the same double, the smallest and the largest too', () => {
    for (const value of [5e-324, -5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, Number.EPSILON]) {
      const { coefficient, scale } = decimalOfNumber(value)
      expect(nearestDouble(coefficient, 10n ** BigInt(scale))).toBe(value)
    }
    fc.assert(
      fc.property(finite, (value) => {
        const { coefficient, scale } = decimalOfNumber(value)
        expect(nearestDouble(coefficient, 10n ** BigInt(scale))).toBe(value === 0 ? 0 : value)
      }),
    )
  })
})

describe('addDecimals and compareDecimals', () => {
  it('agree with rational arithmetic', () => {
    const at = ({ coefficient, scale }: Decimal) => coefficient * 10n ** BigInt(500 - scale)
    fc.assert(
      fc.property(decimals, decimals, (a, b) => {
        expect(at(addDecimals(a, b))).toBe(at(a) + at(b))
        expect(Math.sign(compareDecimals(a, b))).toBe(at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : 0)
      }),
    )
  })
})

describe('writeDecimal', () => {
  it('is read back, and is the same text for equal values', () => {
    fc.assert(
      fc.property(decimals, fc.nat(20), (decimal, zeros) => {
        const text = writeDecimal(decimal)
        expect(compareDecimals(readDecimal(text), decimal)).toBe(0)
        const longer = { coefficient: decimal.coefficient * 10n ** BigInt(zeros), scale: decimal.scale + zeros }
        expect(writeDecimal(longer)).toBe(text)
      }),
    )
  })
})

describe('decimalToJson', () => {
  it('gives integers exactly: numbers below 2^53, decimal strings from there on', () => {
    expect(decimalToJson({ coefficient: 30n, scale: 1 })).toBe(3)
    expect(decimalToJson({ coefficient: 0n, scale: 7 })).toBe(0)
    expect(decimalToJson({ coefficient: 2n ** 53n - 1n, scale: 0 })).toBe(2 ** 53 - 1)
    expect(decimalToJson({ coefficient: -(2n ** 53n), scale: 0 })).toBe('-9007199254740992')
  })

  it('rounds other values once, to the nearest double', () => {
    fc.assert(
      fc.property(decimals, (decimal) => {
        const { coefficient, scale } = decimal
        fc.pre(coefficient % 10n ** BigInt(scale) !== 0n)
        expect(decimalToJson(decimal)).toBe(nearestDouble(coefficient, 10n ** BigInt(scale)))
      }),
    )
  })

  it('rounds ties to even and looks at every digit of what breaks them', () => {
    // Halfway between 1 and the next double, and a hair above that.
    const half = 2n ** 53n + 1n
    const tie = { coefficient: half * 5n ** 53n, scale: 53 }
    expect(decimalToJson(tie)).toBe(1)
    expect(decimalToJson(addDecimals(tie, { coefficient: 1n, scale: 2000 }))).toBe(1 + Number.EPSILON)
  })

  it('has a decimal string for what is no integer and past the doubles, and 0 for what is too small for them', () => {
    expect(decimalToJson({ coefficient: 10n ** 401n + 5n, scale: 1 })).toBe(`1${'0'.repeat(400)}.5`)
    expect(decimalToJson({ coefficient: -1n, scale: 400 })).toBe(0)
  })
})
