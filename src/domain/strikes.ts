/**
 * Which tasks are suspected of ending their server, and which are found to. An end is one that nobody asked for: a crash, a kill. What
 * was in service then may be its cause or was merely there; docs/decisions/0016 argues for the rule. Pure.
 */

import type { RunKey } from './ids.js'

/** A stage of a run. */
export interface Place {
  run: RunKey
  stage: number
}

/** Items first, first + 1, … */
export interface Stretch {
  first: number
  count: number
}

/** Tasks that were in service at so many ends in a row. */
export interface Suspicion extends Place, Stretch {
  strikes: Strikes
  /** With two strikes: how long it had been in service at the last end, in milliseconds; otherwise 0. */
  ageMs: number
}

/** With one nobody knows which of many it was; with two it is tried apart from all other suspects. */
export type Strikes = 1 | 2

/** A suspect that was put in service, in a grant of its own. */
export interface Trial extends Place {
  index: number
  attempt: number
  lane: string
  /** Epoch milliseconds. */
  startedAt: number
}

/** A task that is found to end its server. */
export interface Culprit extends Trial {
  /** Until its last end. */
  serviceMs: number
}

/** What is known at a start of how the server before it ended. */
export interface NotedEnd {
  /** Whether it was leaving: then it is no end in this sense. */
  wasLeaving: boolean
  /** When it was last known to be alive, in epoch milliseconds. */
  lastAliveAt: number
  suspicions: readonly Suspicion[]
  /** Found earlier, and perhaps not written down as failed yet. */
  culprits: readonly Culprit[]
  /** Granted in whatever company; some may have ended. */
  granted: readonly (Place & Stretch)[]
  /** In service in a grant of their own. */
  trials: readonly Trial[]
  /** When servers ended and nobody was found, oldest first, in epoch milliseconds. */
  unexplained: readonly number[]
}

export interface Verdict extends Pick<NotedEnd, 'suspicions' | 'culprits' | 'unexplained'> {
  /** Whether the cause of the end was found: ends are then not likely to come from outside. */
  isExplained: boolean
}

/** What ends its server only after so long is not told from what was merely there. */
export const MAX_AGE_MS = 30_000
/** By how much a busy machine and the clock may move the time after which a task ends its server, besides this share of it. */
const SLACK_MS = 200
const SLACK_SHARE = 0.25
/** How long a server must have lived without the suspect before its trial, besides so many times its age. */
const QUIET_MS = 5_000
const QUIET_TIMES = 10
const MAX_QUIET_MS = 600_000
/** Ends before that say nothing of those to come. */
const FORGET_MS = 3_600_000
const MAX_UNEXPLAINED = 100
/** A culprit was in service at so many ends before the one that it is found by. */
const EARLIER_ENDS = 2
/** Of the ends that nobody is blamed for so many may be a suspect's own, or another one's beside it. */
const OWN_ENDS = 3
/** Each further one makes the quiet time longer by this share of it. */
const FOREIGN_SHARE = 1 / 6
/** What waits for its trial may be innocent, and its run ends no sooner. */
const MAX_QUIET_FACTOR = 6

/** How long a trial lasts: an end within it is the suspect's, and a suspect that is still in service after it is let be. */
export function windowMs(ageMs: number): number {
  return ageMs + slackMs(ageMs)
}

/**
 * How long the server must have lived without the suspect before it is tried: ends that come from outside then come meanwhile, and
 * clear it. Where there were such ends lately it is longer, and it is not needed where the last end has its cause. `unexplained`: of the
 * last hour.
 */
export function quietMs(
  ageMs: number,
  { unexplained, isExplained }: Pick<Verdict, 'unexplained' | 'isExplained'>,
): number {
  if (isExplained) return windowMs(ageMs)
  const foreign = Math.max(0, unexplained.length - OWN_ENDS)
  const factor = Math.min(1 + foreign * FOREIGN_SHARE, MAX_QUIET_FACTOR)
  return Math.min((QUIET_MS + QUIET_TIMES * ageMs) * factor, MAX_QUIET_MS)
}

/** What an end makes of those that were suspected, and of those that were in service. `nowMs`: epoch milliseconds. */
export function judgeEnd(end: NotedEnd, nowMs: number): Verdict {
  const unexplained = recent(end.unexplained, nowMs)
  if (end.wasLeaving) return { suspicions: end.suspicions, culprits: end.culprits, unexplained, isExplained: false }
  const before = new Suspicions(end.suspicions)
  const tried = end.trials.map((trial) => {
    return { trial, suspicion: before.of(trial), ageMs: Math.max(0, end.lastAliveAt - trial.startedAt) }
  })
  const found = tried.filter(({ suspicion, ageMs }) => suspicion?.strikes === 2 && isAlike(ageMs, suspicion.ageMs))
  if (found.length > 0) {
    const culprits = found.map(({ trial, ageMs }) => ({ ...trial, serviceMs: ageMs }))
    // The end has its cause: nobody else is to be blamed for it, nor cleared by it.
    return {
      suspicions: end.suspicions,
      culprits: [...end.culprits, ...culprits],
      unexplained: unexplained.slice(0, -EARLIER_ENDS),
      isExplained: true,
    }
  }
  const suspicions = tried.map(({ trial: { run, stage, index }, suspicion, ageMs }): Suspicion => {
    // With two it ended at another age than before: it may be what ends the server all the same.
    const isAgain = suspicion !== undefined && ageMs <= MAX_AGE_MS
    return { run, stage, first: index, count: 1, strikes: isAgain ? 2 : 1, ageMs: isAgain ? ageMs : 0 }
  })
  const granted = end.granted.map(({ run, stage, first, count }): Suspicion => {
    return { run, stage, first, count, strikes: 1, ageMs: 0 }
  })
  // An end that may be a suspect's own says nothing of those that were not in service.
  const isSuspects = suspicions.some(({ strikes }) => strikes === 2)
  return {
    // What is said last of a task counts.
    suspicions: [...granted, ...(isSuspects ? end.suspicions : []), ...suspicions],
    culprits: end.culprits,
    unexplained: [...unexplained, nowMs].slice(-MAX_UNEXPLAINED),
    isExplained: false,
  }
}

/** Whether a task that ended its server after one of these times may have done so after the other. */
function isAlike(ageMs: number, earlierMs: number): boolean {
  return Math.abs(ageMs - earlierMs) <= slackMs(earlierMs)
}

function slackMs(ageMs: number): number {
  return SLACK_MS + SLACK_SHARE * ageMs
}

function recent(unexplained: readonly number[], nowMs: number): number[] {
  return unexplained.filter((endedAt) => endedAt > nowMs - FORGET_MS)
}

/** Finds what is said of one task. */
class Suspicions {
  readonly #lists = new Map<string, Suspicion[]>()

  constructor(suspicions: readonly Suspicion[]) {
    for (const suspicion of suspicions) {
      const list = this.#lists.get(placeName(suspicion))
      if (list) list.push(suspicion)
      else this.#lists.set(placeName(suspicion), [suspicion])
    }
  }

  of(trial: Trial): Suspicion | undefined {
    return this.#lists
      .get(placeName(trial))
      ?.findLast(({ first, count }) => trial.index >= first && trial.index < first + count)
  }
}

function placeName({ run, stage }: Place): string {
  return `${run} ${stage}`
}
