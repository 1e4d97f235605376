/** Exact decimals: every decimal string and every double is one, and so is each sum of them. */

import type { Json } from './batch.js'
import { exactInteger } from './output.js'

/** coefficient × 10^-scale, with scale ≥ 0. */
export interface Decimal {
  readonly coefficient: bigint
  readonly scale: number
}

export const ZERO: Decimal = { coefficient: 0n, scale: 0 }

/** A written exponent beyond ± this is refused: "1e999999999" is eleven bytes and would be a billion digits. */
export const MAX_EXPONENT = 10_000

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** The value of a decimal string such as "-12", "0.1" or "1e-7"; null for any other text. */
export function parseDecimal(text: string): Decimal | null {
  const match = DECIMAL.exec(text)
  if (!match) return null
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const power = Number(exponent)
  if (Math.abs(power) > MAX_EXPONENT) return null
  const digits = BigInt(whole + fraction)
  const scale = fraction.length - power
  const coefficient = sign === '-' ? -digits : digits
  return scale >= 0 ? { coefficient, scale } : { coefficient: coefficient * 10n ** BigInt(-scale), scale: 0 }
}

const bits = new DataView(new ArrayBuffer(8))

/** The exact value of a finite double: m × 2^-k is m × 5^k × 10^-k. */
export function decimalOfNumber(value: number): Decimal {
  if (Number.isInteger(value)) return { coefficient: BigInt(value), scale: 0 }
  bits.setFloat64(0, value)
  const high = bits.getUint32(0)
  const biased = (high >>> 20) & 0x7ff
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4))
  let mantissa = biased === 0 ? fraction : fraction | (1n << 52n)
  let scale = 1075 - Math.max(biased, 1)
  while ((mantissa & 1n) === 0n) {
    mantissa >>= 1n
    scale -= 1
  }
  const coefficient = mantissa * 5n ** BigInt(scale)
  return { coefficient: value < 0 ? -coefficient : coefficient, scale }
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return { coefficient: coefficientAt(a, scale) + coefficientAt(b, scale), scale }
}

/** Negative where a < b, 0 where they are equal, positive where a > b. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale)
  const left = coefficientAt(a, scale)
  const right = coefficientAt(b, scale)
  return left < right ? -1 : left > right ? 1 : 0
}

function coefficientAt(decimal: Decimal, scale: number): bigint {
  return decimal.scale === scale ? decimal.coefficient : decimal.coefficient * 10n ** BigInt(scale - decimal.scale)
}

/** A short exact text, the same for equal values; readDecimal reads it. */
export function writeDecimal(decimal: Decimal): string {
  const { coefficient, scale } = reduced(decimal)
  return scale === 0 ? String(coefficient) : `${coefficient}e-${scale}`
}

/** Reads what writeDecimal wrote. */
export function readDecimal(text: string): Decimal {
  const [coefficient = '0', scale = '0'] = text.split('e-')
  return { coefficient: BigInt(coefficient), scale: Number(scale) }
}

/**
 * An integer as a number where |x| < 2^53, else as a decimal string; another value as the nearest double, or as a
 * decimal string where it is past the doubles.
 */
export function decimalToJson(decimal: Decimal): Json {
  const { coefficient, scale } = reduced(decimal)
  if (scale === 0) return exactInteger(coefficient)
  // Reading a decimal literal rounds once, to the nearest double.
  const nearest = Number(`${coefficient}e-${scale}`)
  if (Number.isFinite(nearest)) return nearest === 0 ? 0 : nearest
  const digits = String(coefficient)
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** The same value at the smallest scale. */
function reduced(decimal: Decimal): Decimal {
  if (decimal.scale === 0) return decimal
  if (decimal.coefficient === 0n) return ZERO
  const digits = String(decimal.coefficient)
  let zeros = 0
  while (zeros < decimal.scale && digits.charCodeAt(digits.length - 1 - zeros) === 48) zeros += 1
  if (zeros === 0) return decimal
  return { coefficient: BigInt(digits.slice(0, digits.length - zeros)), scale: decimal.scale - zeros }
}
