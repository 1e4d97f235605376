/** Cursors of ordered lists: a place in one order of one list, opaque to clients. */

export interface CursorTarget {
  /** Such as ENDED or CREATED_DESC. */
  order: string
  /** A run's key, or `runs`. */
  scope: string
}

/** Finite numbers alone have a cursor: RangeError for others. */
export function encodeCursor({ order, scope, position }: CursorTarget & { position: readonly number[] }): string {
  return Buffer.from([order, scope, ...position.map(numberText)].join(':')).toString('base64url')
}

/** The position, bit for bit; null for a cursor of another order or scope, and for what is no cursor of ours. */
export function decodeCursor(
  text: string,
  { order, scope, length }: CursorTarget & { length: number },
): number[] | null {
  const bytes = Buffer.from(text, 'base64url')
  // Node skips what is not base64url: only what encodeCursor could have written is accepted.
  if (bytes.toString('base64url') !== text) return null
  const [itsOrder, itsScope, ...numbers] = bytes.toString().split(':')
  if (itsOrder !== order || itsScope !== scope || numbers.length !== length) return null
  const position = numbers.map(Number)
  return position.every((number, at) => Number.isFinite(number) && numberText(number) === numbers[at]) ? position : null
}

/** The shortest text that reads back as the same double. */
function numberText(number: number): string {
  if (!Number.isFinite(number)) throw new RangeError(`a cursor cannot hold ${number}`)
  return Object.is(number, -0) ? '-0' : String(number)
}
