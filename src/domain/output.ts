/** The JSON text of what a function returned, by the rules of the API's JSON scalar. */

const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER)

/** Deeper values overflow the stack of whatever walks them later. */
export const MAX_JSON_DEPTH = 500

/**
 * The JSON text of an output: a BigInt is a number where |x| < 2^53, else a decimal string; undefined, symbols and
 * functions are null, wherever they stand; toJSON is honoured. Throws an Error with a message for the caller for NaN,
 * infinities and cycles, and whatever a toJSON throws.
 */
export function toJsonText(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? String(value) : refuseNumber(value, '')
    case 'bigint':
      return bigintText(value)
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      return value === null ? 'null' : objectText(value)
    default:
      return 'null'
  }
}

/** A BigInt as the API tells it: a number where |x| < 2^53, else a decimal string. */
export function exactInteger(value: bigint): number | string {
  return value <= MAX_EXACT && value >= -MAX_EXACT ? Number(value) : String(value)
}

function bigintText(value: bigint): string {
  return value <= MAX_EXACT && value >= -MAX_EXACT ? String(value) : `"${value}"`
}

function objectText(value: object): string {
  try {
    return JSON.stringify(value, writable)
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith('Converting circular structure')) {
      throw new Error('the output holds itself: a cycle has no JSON')
    }
    throw error
  }
}

/** JSON.stringify's replacer: it sees each value after toJSON, and what it returns is written. */
function writable(key: string, value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : refuseNumber(value, key)
    case 'bigint':
      return exactInteger(value)
    case 'undefined':
    case 'symbol':
    case 'function':
      return null
    case 'object':
      // JSON.stringify would unwrap these after the check.
      if (value instanceof Number || value instanceof BigInt) return writable(key, value.valueOf())
      return value
    default:
      return value
  }
}

function refuseNumber(value: number, key: string): never {
  const place = key === '' ? '' : ` at ${JSON.stringify(key)}`
  throw new Error(`the output holds ${value}${place}, which has no JSON`)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Whether lists and objects of a JSON text are nested deeper than MAX_JSON_DEPTH. */
export function isTooDeep(text: string): boolean {
  // Each level has two brackets: most texts need not be read.
  if (text.length <= 2 * MAX_JSON_DEPTH) return false
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === BACKSLASH) at += 1
      else if (code === QUOTE) quoted = false
    } else if (code === QUOTE) quoted = true
    else if (OPENING.has(code)) {
      depth += 1
      if (depth > MAX_JSON_DEPTH) return true
    } else if (CLOSING.has(code)) depth -= 1
  }
  return false
}

/** Only texts with such digits can hold numbers that doubles do not. */
const MAY_BE_INEXACT = /\d{16}|[eE]\+?\d{3}/
/** Strings, to pass over what is in them, and numbers. */
const STRING_OR_NUMBER = /"(?:[^"\\]+|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** A JSON text that every reader reads alike: numbers that doubles do not hold, whole ones from 2^53 on and those past all doubles, are decimal strings. */
export function exactText(text: string): string {
  if (!MAY_BE_INEXACT.test(text)) return text
  return text.replace(STRING_OR_NUMBER, (token) => (isInexact(token) ? `"${token}"` : token))
}

function isInexact(token: string): boolean {
  if (token.startsWith('"')) return false
  const number = Number(token)
  return !Number.isFinite(number) || (/^-?\d+$/.test(token) && !Number.isSafeInteger(number))
}
