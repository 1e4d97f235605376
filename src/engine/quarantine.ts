/**
 * Keeps suspects apart, over all runs: a few with one strike may be in service together, each in a grant of its own; one with two is
 * tried when the server has lived quietly for long enough, and meanwhile no other suspect is put in service.
 * Pure: it is told the time. Times are of the monotonic clock.
 */

import { quietMs, type Suspicion, type Verdict, windowMs } from '../domain/strikes.js'

/** What is known of one suspect. */
export type Suspect = Pick<Suspicion, 'strikes' | 'ageMs'>

interface InService {
  suspect: Suspect
  sinceMs: number
}

/** So many become suspects with two strikes at most, each of which has to be tried by itself. */
const MAX_TOGETHER = 4
/** Until a suspect that must wait for others is looked at again: when those end is not known. */
const LOOK_MS = 100

export class Quarantine {
  readonly #inService = new Map<string, InService>()

  /** `startedMs`: since when the server lives; `earlier`: how others have ended before. */
  constructor(
    private readonly startedMs: number,
    private readonly earlier: Pick<Verdict, 'unexplained' | 'isExplained'>,
  ) {}

  /** When the server will have lived without the suspect for long enough. */
  quietFromMs({ strikes, ageMs }: Suspect): number {
    if (strikes === 1) return Number.NEGATIVE_INFINITY
    return this.startedMs + quietMs(ageMs, this.earlier)
  }

  /**
   * When to look whether the others that are in service are out of its way; null where they are. Those that have been in service for
   * longer than it takes to end the server always are.
   */
  blockedUntilMs({ strikes, ageMs }: Suspect, nowMs: number): number | null {
    let left = strikes === 1 ? MAX_TOGETHER : 1
    for (const { suspect, sinceMs } of this.#inService.values()) {
      if (sinceMs + windowMs(Math.max(ageMs, suspect.ageMs)) <= nowMs) continue
      left = suspect.strikes === 1 ? left - 1 : 0
      if (left <= 0) return nowMs + LOOK_MS
    }
    return null
  }

  /** It is handed to a lane. `name`: of its task, over all runs. */
  putInService(name: string, suspect: Suspect, nowMs: number): void {
    this.#inService.set(name, { suspect, sinceMs: nowMs })
  }

  /** It has ended, or waits again. False where it was not in service. */
  takeOut(name: string): boolean {
    return this.#inService.delete(name)
  }
}
