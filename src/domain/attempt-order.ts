/** Many sorted pieces of a run's attempts in their common order, with no more of them in memory than overlap in time. */

import type { AttemptColumns } from './attempts.js'

/** Attempts that are sorted by their starts, not read yet. */
export interface AttemptPiece {
  /** None of them starts before. */
  firstStartMs: number
  read(): AttemptColumns
}

/** A piece that has been read, and how far it has been given out. */
interface OpenPiece {
  attempts: AttemptColumns
  at: number
}

/** Attempts given out between two turns: a millisecond or two where little is done with each. */
const TURN_ATTEMPTS = 16_384

/**
 * Gives out all attempts in the order of their starts, stretch by stretch: those at the places `from` to `to` - 1. Steps
 * are short, so that whoever takes them can do something else in between.
 */
export function* inOrder(
  pieces: readonly AttemptPiece[],
  take: (attempts: AttemptColumns, from: number, to: number) => void,
  turnAttempts = TURN_ATTEMPTS,
): Generator<void> {
  const closed = pieces.toSorted((a, b) => b.firstStartMs - a.firstStartMs)
  const open: OpenPiece[] = []
  for (let taken = 0; closed.length > 0 || open.length > 0; ) {
    openWhatMayBeFirst(closed, open)
    if (open.length === 0) continue
    const { first, untilMs } = firstOf(open, closed.at(-1)?.firstStartMs ?? Number.POSITIVE_INFINITY)
    const { attempts, at } = first
    while (first.at < attempts.count && attempts.startMs[first.at]! <= untilMs) first.at += 1
    take(attempts, at, first.at)
    if (first.at === attempts.count) open.splice(open.indexOf(first), 1)
    taken += first.at - at
    if (taken < turnAttempts) continue
    taken = 0
    yield
  }
}

/** `closed`: the one with the first start last. */
function openWhatMayBeFirst(closed: AttemptPiece[], open: OpenPiece[]): void {
  let firstMs = Number.POSITIVE_INFINITY
  for (const piece of open) firstMs = Math.min(firstMs, headOf(piece))
  for (let next = closed.at(-1); next && next.firstStartMs <= firstMs; next = closed.at(-1)) {
    closed.pop()
    const attempts = next.read()
    if (attempts.count === 0) continue
    open.push({ attempts, at: 0 })
    firstMs = Math.min(firstMs, attempts.startMs[0]!)
  }
}

/** The piece with the next attempt, and how far it can be given out before another one's turn. */
function firstOf(open: readonly OpenPiece[], nextClosedMs: number): { first: OpenPiece; untilMs: number } {
  let first = open[0]!
  let untilMs = nextClosedMs
  for (let at = 1; at < open.length; at += 1) {
    const piece = open[at]!
    if (headOf(piece) < headOf(first)) {
      untilMs = Math.min(untilMs, headOf(first))
      first = piece
    } else {
      untilMs = Math.min(untilMs, headOf(piece))
    }
  }
  return { first, untilMs }
}

function headOf({ attempts, at }: OpenPiece): number {
  return attempts.startMs[at]!
}
