/** The contract of whoever makes addresses of names. */

export interface ResolvedAddress {
  address: string
  family: number
}

/** All addresses of a name. Rejects where it has none; `signal`: nobody wants to know any more. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly ResolvedAddress[]>
