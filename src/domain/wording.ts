/** How verdicts put figures into sentences. */

/** Below it a difference is taken for more than chance: one in twenty, as is usual. */
export const ALPHA = 0.05

export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** More digits near 1, where it is the last ones that tell. */
export function shownRatio(ratio: number): string {
  return String(Number(ratio.toPrecision(Math.abs(ratio - 1) < 0.01 ? 4 : 3)))
}

export function shownP(p: number): string {
  if (p < 0.001) return 'p < 0.001'
  return `p = ${Number(p.toFixed(p < 0.1 ? 3 : 2))}`
}
