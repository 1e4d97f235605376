/** Figures as people read them. */

/** 6.02 s, or 94 ms below a tenth of a second. */
export function seconds(ms: number): string {
  if (ms < 100) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return `${(ms / 1_000).toFixed(2)} s`
}

export function times(factor: number): string {
  return `${factor.toFixed(2)}x`
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** 1,234,567 */
export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
