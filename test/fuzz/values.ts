/** What clients send that nobody would: single values, from which the rest is made. */

import fc, { type GeneratorValue } from 'fast-check'

export type Gen = GeneratorValue

export function oneOf<const T>(g: Gen, values: readonly T[]): T {
  return values[g(fc.nat, { max: values.length - 1 })] as T
}

/** True in so many of a hundred cases. */
export function chance(g: Gen, percent: number): boolean {
  return g(fc.nat, { max: 99 }) < percent
}

export function count(g: Gen, max: number): number {
  return g(fc.nat, { max })
}

const TEXTS = [
  '',
  ' ',
  '\u0000',
  '\u202e\ufeff',
  '\ud800',
  '🧵'.repeat(50),
  '__proto__',
  'constructor',
  'toString',
  '../../../../etc/passwd',
  '..%2f..%2f',
  'C:\\windows\\win.ini',
  "' OR 1=1; DROP TABLE Run; --",
  '{{7*7}}',
  '<script>alert(1)</script>',
  '\r\nset-cookie: a=b',
  'x'.repeat(10_000),
  '9'.repeat(400),
  '-0',
  '1e999',
  'NaN',
  'null',
  '2026-02-30T25:61:61Z',
  '2026-11-29T00:00:00Z',
  'http://127.0.0.1:1/',
  'http://[::1]/',
  'http://0x7f.1/',
  'https://user:pw@127.0.0.1/',
  'file:///etc/passwd',
  'http://',
  '/0/1',
  '{"a":',
  'aGVsbG8=',
]

/** `known`: what the server would know. */
export function text(g: Gen, known: readonly string[] = []): string {
  if (known.length > 0 && chance(g, 40)) return oneOf(g, known)
  return chance(g, 60) ? oneOf(g, TEXTS) : g(fc.string, { maxLength: 30, unit: 'binary' })
}

const NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  10,
  1000,
  1001,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  0.5,
  -0.1,
  1e308,
  5e-324,
]

export function number(g: Gen): number {
  return oneOf(g, NUMBERS)
}

/** Any JSON value; objects with names that mean something to JavaScript among them. */
export function json(g: Gen, depth = 3): unknown {
  const kind = count(g, depth > 0 ? 6 : 4)
  if (kind === 0) return null
  if (kind === 1) return chance(g, 50)
  if (kind === 2) return number(g)
  if (kind <= 4) return text(g)
  const size = count(g, 3)
  if (kind === 5) return Array.from({ length: size }, () => json(g, depth - 1))
  return Object.fromEntries(Array.from({ length: size }, () => [text(g), json(g, depth - 1)]))
}
