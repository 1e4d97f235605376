/**
 * The notes of what lanes were granted, as lines of text: what a server writes before a lane can start a task, and the next one reads.
 * A line is one letter and its fields, parted by blanks. What was cut off in the middle of a line says nothing.
 */

import { toRunKey } from './ids.js'
import type { Culprit, NotedEnd, Place, Stretch, Suspicion, Trial } from './strikes.js'

const VERSION = 'heddle-grants 1'

export const line = {
  /** The first of a file; `bornAt`: when the server began to write it, in epoch milliseconds. */
  head: (bornAt: number) => `${VERSION}\n${line.alive(bornAt)}`,
  alive: (at: number) => `A ${at}\n`,
  leaving: () => 'Q\n',
  unexplained: (endedAt: number) => `U ${endedAt}\n`,
  suspicion: ({ run, stage, first, count, strikes, ageMs }: Suspicion) =>
    `S ${run} ${stage} ${strikes} ${ageMs} ${first} ${count}\n`,
  culprit: ({ serviceMs, ...trial }: Culprit) => `C ${trialFields(trial)} ${serviceMs}\n`,
  /** A lane is about to be granted items of this stage. `lane`: a number of its own in this file. */
  lane: (lane: number, { run, stage }: Place) => `L ${lane} ${run} ${stage}\n`,
  grant: (lane: number, stretches: readonly Stretch[]) =>
    `G ${lane} ${stretches.map(({ first, count }) => (count === 1 ? first : `${first}+${count}`)).join(',')}\n`,
  trial: (trial: Trial) => `T ${trialFields(trial)}\n`,
  /** The suspect is in service no more. */
  trialEnd: ({ run, stage, index }: Place & { index: number }) => `E ${run} ${stage} ${index}\n`,
} as const

function trialFields({ run, stage, index, attempt, lane, startedAt }: Trial): string {
  return `${run} ${stage} ${index} ${attempt} ${startedAt} ${lane}`
}

/** What the notes say, as far as they can be read: `isDamaged` where something in them is no line of ours. */
export function readNotes(text: string): { end: NotedEnd; isDamaged: boolean } {
  const reader = new NotesReader()
  const lines = text.split('\n')
  // After the last line there is nothing, or half a line.
  lines.pop()
  const isDamaged = lines.some((one, at) => !(at === 0 ? one === VERSION : reader.read(one)))
  return { end: reader.end, isDamaged }
}

/** All numbers are whole, times too. */
const NUMBER = /^(0|[1-9]\d{0,14})$/
const KEY = /^[0-9a-f]{32}$/
const STRETCHES = /^\d{1,15}(\+\d{1,15})?(,\d{1,15}(\+\d{1,15})?)*$/

class NotesReader {
  #wasLeaving = false
  #lastAliveAt = 0
  readonly #suspicions: Suspicion[] = []
  readonly #culprits: Culprit[] = []
  readonly #unexplained: number[] = []
  readonly #lanes = new Map<string, Place>()
  readonly #granted: (Place & Stretch)[] = []
  readonly #trials = new Map<string, Trial>()

  get end(): NotedEnd {
    return {
      wasLeaving: this.#wasLeaving,
      lastAliveAt: this.#lastAliveAt,
      suspicions: this.#suspicions,
      culprits: this.#culprits,
      granted: this.#granted,
      trials: [...this.#trials.values()],
      unexplained: this.#unexplained,
    }
  }

  /** Whether it is one of ours. */
  read(text: string): boolean {
    const [letter, ...fields] = text.split(' ')
    switch (letter) {
      case 'A':
        return this.#alive(fields)
      case 'Q':
        this.#wasLeaving = true
        return fields.length === 0
      case 'U':
        return this.#endUnexplained(fields)
      case 'S':
        return this.#suspicion(fields)
      case 'C':
        return this.#culprit(fields)
      case 'L':
        return this.#lane(fields)
      case 'G':
        return this.#grant(fields)
      case 'T':
        return this.#trial(fields)
      case 'E':
        return this.#trialEnd(fields)
      default:
        return false
    }
  }

  #alive(fields: string[]): boolean {
    const [at] = numbers(fields)
    if (at === undefined || fields.length !== 1) return false
    this.#lastAliveAt = Math.max(this.#lastAliveAt, at)
    return true
  }

  #endUnexplained(fields: string[]): boolean {
    const [at] = numbers(fields)
    if (at === undefined || fields.length !== 1) return false
    this.#unexplained.push(at)
    return true
  }

  #suspicion([run, stage, ...rest]: string[]): boolean {
    const place = toPlace(run, stage)
    const [strikes, ageMs, first, count] = numbers(rest)
    if (place === null || rest.length !== 4 || ageMs === undefined) return false
    if ((strikes !== 1 && strikes !== 2) || first === undefined || count === undefined) return false
    this.#suspicions.push({ ...place, first, count, strikes, ageMs })
    return true
  }

  #culprit(fields: string[]): boolean {
    const trial = toTrial(fields.slice(0, -1))
    const [serviceMs] = numbers(fields.slice(-1))
    if (trial === null || serviceMs === undefined) return false
    this.#culprits.push({ ...trial, serviceMs })
    return true
  }

  #lane([lane = '', run, stage, ...rest]: string[]): boolean {
    const place = toPlace(run, stage)
    if (place === null || !NUMBER.test(lane) || rest.length > 0) return false
    this.#lanes.set(lane, place)
    return true
  }

  #grant([lane = '', stretches = '', ...rest]: string[]): boolean {
    const place = this.#lanes.get(lane)
    if (place === undefined || !STRETCHES.test(stretches) || rest.length > 0) return false
    for (const stretch of stretches.split(',')) {
      const [first, count = '1'] = stretch.split('+')
      this.#granted.push({ ...place, first: Number(first), count: Number(count) })
    }
    return true
  }

  #trial(fields: string[]): boolean {
    const trial = toTrial(fields)
    if (trial === null) return false
    this.#trials.set(trialName(trial), trial)
    this.#lastAliveAt = Math.max(this.#lastAliveAt, trial.startedAt)
    return true
  }

  #trialEnd([run, stage, index = '', ...rest]: string[]): boolean {
    const place = toPlace(run, stage)
    if (place === null || !NUMBER.test(index) || rest.length > 0) return false
    this.#trials.delete(trialName({ ...place, index: Number(index) }))
    return true
  }
}

function trialName({ run, stage, index }: Place & { index: number }): string {
  return `${run} ${stage} ${index}`
}

/** Fewer where one of them is none. */
function numbers(fields: readonly string[]): number[] {
  return fields.every((field) => NUMBER.test(field)) ? fields.map(Number) : []
}

function toPlace(run = '', stage = ''): Place | null {
  return KEY.test(run) && NUMBER.test(stage) ? { run: toRunKey(run), stage: Number(stage) } : null
}

function toTrial([run, stage, ...fields]: string[]): Trial | null {
  const place = toPlace(run, stage)
  const [lane = '', ...rest] = fields.slice(3)
  const [index, attempt, startedAt] = numbers(fields.slice(0, 3))
  if (place === null || lane === '' || rest.length > 0) return null
  if (index === undefined || attempt === undefined || startedAt === undefined) return null
  return { ...place, index, attempt, lane, startedAt }
}

/** Indexes that follow each other as one. */
export function toStretches(indexes: Iterable<number>): Stretch[] {
  const stretches: { first: number; count: number }[] = []
  for (const index of indexes) {
    const last = stretches.at(-1)
    if (last && last.first + last.count === index) last.count += 1
    else stretches.push({ first: index, count: 1 })
  }
  return stretches
}
