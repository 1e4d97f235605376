/** Who may have the free places of a host: by priority, then evenly among the runs, then by turns. Pure, so that it can be tested whole. */

import type { RunKey } from '../domain/ids.js'

/** What one stage of a run asks of a host. */
export interface HostClaim {
  readonly key: RunKey
  readonly priority: number
  /** Under way to the host. */
  readonly underway: number
  /** Items that wait for it. */
  readonly waiting: number
  /** How many more it could have in flight now, whatever their host. */
  readonly spare: number
  /** Whether it holds a lane that would take them. */
  readonly holdsLane: boolean
  /** It was offered a place for long, and did not take it: for a while it has what the others leave. */
  readonly isPassedOver: boolean
  /** Whoever was served longest ago has the lowest. */
  readonly turn: number
}

/**
 * How many of the free places each claim may take, in the order of the claims. Those that can take them at once come first. Of those that have
 * to get a lane before, one is kept one place, so that it has something to do on it; the others have what nobody else can use: places that
 * were kept for many would stand idle for as long as their lanes are elsewhere.
 */
export function shareHost(claims: readonly HostClaim[], free: number): number[] {
  const shares = claims.map(() => 0)
  const table: Table = { claims, shares, loads: loadsOf(claims) }
  const places = claims.map((_, at) => at).filter((at) => claims[at]!.waiting > 0)
  const isFirst = (at: number) => claims[at]!.spare > 0 && !claims[at]!.isPassedOver
  const ready = places.filter((at) => isFirst(at) && claims[at]!.holdsLane)
  const inLine = next(
    places.filter((at) => isFirst(at) && !claims[at]!.holdsLane),
    table,
    () => 1,
  )
  let left = deal(inLine === null ? ready : [...ready, inLine], table, {
    free,
    mostOf: (at) => (at === inLine ? 1 : Math.min(claims[at]!.waiting, claims[at]!.spare)),
  })
  if (left > 0) left = deal(places, table, { free: left, mostOf: (at) => claims[at]!.waiting })
  return shares
}

interface Table {
  claims: readonly HostClaim[]
  shares: number[]
  /** What each run has under way, and is given. */
  loads: Map<RunKey, number>
}

function loadsOf(claims: readonly HostClaim[]): Map<RunKey, number> {
  const loads = new Map<RunKey, number>()
  for (const { key, underway } of claims) loads.set(key, (loads.get(key) ?? 0) + underway)
  return loads
}

/** One place after the other; answers with how many are left. */
function deal(
  places: readonly number[],
  table: Table,
  { free, mostOf }: { free: number; mostOf(at: number): number },
): number {
  let left = free
  // Nobody else is there to share with.
  if (places.length === 1) {
    const at = places[0]!
    const given = Math.max(0, Math.min(left, mostOf(at) - table.shares[at]!))
    give(at, given, table)
    return left - given
  }
  for (; left > 0; left -= 1) {
    const at = next(places, table, mostOf)
    if (at === null) break
    give(at, 1, table)
  }
  return left
}

function give(at: number, count: number, { claims, shares, loads }: Table): void {
  const { key } = claims[at]!
  shares[at] = shares[at]! + count
  loads.set(key, loads.get(key)! + count)
}

/** Whose turn it is of those that want more; null where nobody does. */
function next(places: readonly number[], table: Table, mostOf: (at: number) => number): number | null {
  let best: number | null = null
  for (const at of places) {
    if (table.shares[at]! >= mostOf(at)) continue
    if (best === null || isBefore(at, best, table)) best = at
  }
  return best
}

function isBefore(a: number, b: number, { claims, shares, loads }: Table): boolean {
  const [one, other] = [claims[a]!, claims[b]!]
  const order =
    other.priority - one.priority ||
    loads.get(one.key)! - loads.get(other.key)! ||
    one.underway + shares[a]! - (other.underway + shares[b]!) ||
    one.turn - other.turn
  return order < 0
}
