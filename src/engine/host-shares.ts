/** Who may have the free places of a host: by priority, then evenly among the runs, then by turns. Pure, so that it can be tested whole. */

import type { RunKey } from '../domain/ids.js'

/** What one stage of a run asks of a host. */
export interface HostClaim {
  /** Of the run; null where no other stage of it fetches: it need not be looked for. */
  readonly run: RunKey | null
  readonly priority: number
  /** Under way to the host. */
  readonly underway: number
  /** Items that wait for it, and that its own limits let start. */
  readonly waiting: number
  /** How many more it could have in flight now, whatever their host; null where it holds no lane that would take them. */
  readonly spare: number | null
  /** Of one without a lane: whether it would start anything if it got one. */
  wouldTake(): boolean
  /** It was offered a place for long, and did not take it: for a while it has what the others leave. */
  readonly isPassedOver: boolean
  /** It has not had the place that it comes from for long: each request of another run's would take a lane to it and back. */
  readonly isInTurn: boolean
  /** Whoever was served longest ago has the lowest. */
  readonly turn: number
}

/**
 * How many of the free places each claim may take, in the order of the claims. Those that can take them at once come first. Of those that have
 * to get a lane before, one is kept one place, so that it has something to do on it; the others have what nobody else can use: places that
 * were kept for many would stand idle for as long as their lanes are elsewhere.
 */
export function shareHost(claims: readonly HostClaim[], free: number): number[] {
  const table: Table = { claims, shares: claims.map(() => 0), loads: claims.map(({ underway }) => underway) }
  addKin(table)
  const places: number[] = []
  for (let at = 0; at < claims.length; at += 1) if (claims[at]!.waiting > 0) places.push(at)
  const first = places.filter((at) => !claims[at]!.isPassedOver)
  const ready = first.filter((at) => (claims[at]!.spare ?? 0) > 0)
  const inLine = free > 0 ? firstInLine(first, table) : null
  let left = deal(inLine === null ? ready : [...ready, inLine], table, {
    free,
    mostOf: (at) => (at === inLine ? 1 : Math.min(claims[at]!.waiting, claims[at]!.spare!)),
  })
  if (left > 0) left = deal(places, table, { free: left, mostOf: (at) => claims[at]!.waiting })
  return table.shares
}

interface Table {
  claims: readonly HostClaim[]
  shares: number[]
  /** What the run of each claim has under way, and is given. */
  loads: number[]
}

/** Stages of one run count as one. */
function addKin({ claims, loads }: Table): void {
  const sums = new Map<RunKey, number>()
  for (const { run, underway } of claims) if (run !== null) sums.set(run, (sums.get(run) ?? 0) + underway)
  if (sums.size === 0) return
  claims.forEach(({ run }, at) => {
    if (run !== null) loads[at] = sums.get(run)!
  })
}

/** The first one of those without a lane that would take a place. */
function firstInLine(places: readonly number[], table: Table): number | null {
  const left = new Set(places.filter((at) => table.claims[at]!.spare === null))
  while (left.size > 0) {
    const at = next(left, table, () => 1)
    if (at === null || table.claims[at]!.wouldTake()) return at
    left.delete(at)
  }
  return null
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
  const { run } = claims[at]!
  shares[at] = shares[at]! + count
  if (run === null) loads[at] = loads[at]! + count
  else for (let one = 0; one < claims.length; one += 1) if (claims[one]!.run === run) loads[one] = loads[one]! + count
}

/** Whose turn it is of those that want more; null where nobody does. */
function next(places: Iterable<number>, table: Table, mostOf: (at: number) => number): number | null {
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
    loads[a]! - loads[b]! ||
    one.underway + shares[a]! - (other.underway + shares[b]!) ||
    Number(other.isInTurn) - Number(one.isInTurn) ||
    one.turn - other.turn
  return order < 0
}
