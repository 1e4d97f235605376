/** How rules put figures into sentences. */

/** `0.974` as `97 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** Two digits that matter, and no exponent: 0.04, 1.5, 12, 3400. */
export function rough(value: number): string {
  if (value >= 100) return String(Math.round(value / 10) * 10)
  return String(Number(value.toPrecision(2)))
}
