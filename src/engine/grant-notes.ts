/**
 * Notes what lanes are granted before they can start it, so that the next start knows what was in service when the server ended, and
 * keeps the suspects of earlier ends.
 */

import type { Clock } from '../clock.js'
import type { RunKey } from '../domain/ids.js'
import { line, readNotes, toStretches } from '../domain/notes.js'
import {
  type Culprit,
  judgeEnd,
  type Place,
  type Stretch,
  type Suspicion,
  type Trial,
  type Verdict,
} from '../domain/strikes.js'
import type { InService } from '../lanes/lane.js'
import type { Grant } from '../lanes/protocol.js'
import type { NoteFile } from '../store/notes.js'
import { Alarm } from './alarm.js'
import { Quarantine } from './quarantine.js'
import { Suspects } from './suspects.js'

/** While a suspect is in service: how well it is known when the server ended. */
const ALIVE_EVERY_MS = 50
/** Written anew when it has grown by so much, with what is outstanding by then. */
const MAX_GROWTH = 256 * 1024
/** Until a file that could not be written is tried again. */
const RETRY_MS = 10_000

const NOTHING_NOTED: Verdict = { suspicions: [], culprits: [], unexplained: [], isExplained: false }

/** A lane that is held by a stage. */
export interface NotedLane {
  /** To be called before the lane has them. */
  granted(grant: Grant): void
  /** The stage has given it back. */
  close(): void
}

/** What a lane has to do. */
export interface LaneWork {
  /** Granted and not reported. */
  outstanding(): Iterable<Stretch>
  inService(): readonly Pick<InService, 'index'>[]
}

interface OpenLane {
  number: number
  place: Place
  work: LaneWork
}

/** A suspect that has been handed to a lane. */
interface OpenTrial {
  trial: Trial
  work: LaneWork
  /** As far as has been seen. */
  hasStarted: boolean
}

interface Options {
  file: NoteFile
  clock: Clock
  onDamaged(): void
}

export class GrantNotes {
  readonly #lanes = new Set<OpenLane>()
  readonly #suspects = new Map<string, Suspects>()
  readonly #trials = new Map<string, OpenTrial>()
  readonly #beat: Alarm
  #isBeating = false
  #quarantine: Quarantine
  #culprits: readonly Culprit[] = []
  #unexplained: readonly number[] = []
  #lastLane = 0
  #baseSize = 0
  #retryAtMs: number | null = null
  #isLeaving = false

  constructor(private readonly options: Options) {
    this.#beat = new Alarm(options.clock, () => this.#noteAlive())
    this.#quarantine = new Quarantine(options.clock.monotonicMs(), NOTHING_NOTED)
  }

  /** Judges the end of the server before this one. `runs`: those that go on. To be called before anything is granted. */
  start(runs: readonly RunKey[]): void {
    const { file, clock, onDamaged } = this.options
    const text = file.read()
    const noted = text === null ? null : readNotes(text)
    if (noted?.isDamaged) onDamaged()
    const verdict = noted ? judgeEnd(noted.end, Math.round(clock.epochMs())) : NOTHING_NOTED
    const goesOn = new Set(runs)
    for (const suspicion of verdict.suspicions) {
      if (goesOn.has(suspicion.run)) this.#suspectsOf(suspicion).add(suspicion)
    }
    this.#culprits = verdict.culprits.filter(({ run }) => goesOn.has(run))
    this.#unexplained = verdict.unexplained
    this.#quarantine = new Quarantine(clock.monotonicMs(), verdict)
    this.#rewrite()
  }

  /** Suspects of a stage, those that have ended among them; null where there is none. */
  suspectsOf({ run, stage }: Place): Suspects | null {
    return this.#suspects.get(placeName(run, stage)) ?? null
  }

  /** Those of its tasks that are found to end the server. They have no row, or had none at the last start. */
  culpritsOf({ run, stage }: Place): Culprit[] {
    return this.#culprits.filter((one) => one.run === run && one.stage === stage)
  }

  /** Nothing more is known of the run, nor need be. */
  forget(run: RunKey): void {
    for (const [name, suspects] of this.#suspects) if (suspects.place.run === run) this.#suspects.delete(name)
    if (this.#culprits.length > 0) this.#culprits = this.#culprits.filter((one) => one.run !== run)
  }

  open(place: Place, lane: string, work: LaneWork): NotedLane {
    this.#lastLane += 1
    const opened: OpenLane = { number: this.#lastLane, place, work }
    const suspects = this.suspectsOf(place)
    return {
      granted: (grant) => {
        const [index, attempt] = [grant.indexes?.[0] ?? grant.first, grant.attempts?.[0] ?? 1]
        if (grant.count === 1 && suspects?.has(index)) this.#noteTrial({ ...place, index, attempt, lane }, work)
        else this.#noteGrant(opened, grant)
      },
      close: () => void this.#lanes.delete(opened),
    }
  }

  /** The server leaves: what ends it from now on is nobody's fault. */
  leave(): void {
    this.#isLeaving = true
    this.#beat.set(null)
    this.#append(line.leaving())
  }

  #suspectsOf({ run, stage }: Suspicion): Suspects {
    const known = this.suspectsOf({ run, stage })
    if (known) return known
    const suspects = new Suspects(
      { run, stage },
      {
        clock: this.options.clock,
        quarantine: () => this.#quarantine,
        onTakenOut: (index) => this.#noteTrialEnd({ run, stage, index }),
      },
    )
    this.#suspects.set(placeName(run, stage), suspects)
    return suspects
  }

  /** Of a lane that is granted nothing, or suspects alone, nothing else is noted. */
  #noteGrant(lane: OpenLane, grant: Grant): void {
    const opening = this.#lanes.has(lane) ? '' : line.lane(lane.number, lane.place)
    this.#lanes.add(lane)
    this.#append(opening + line.grant(lane.number, stretchesOf(grant)))
  }

  #noteTrial(task: Omit<Trial, 'startedAt'>, work: LaneWork): void {
    const trial = { ...task, startedAt: Math.round(this.options.clock.epochMs()) }
    this.#trials.set(trialName(trial), { trial, work, hasStarted: false })
    this.#append(line.trial(trial))
    this.#expectBeat()
  }

  #noteTrialEnd(task: Place & { index: number }): void {
    if (this.#trials.delete(trialName(task))) this.#append(line.trialEnd(task))
  }

  /** A lane that has to load its code first takes long to start. */
  #noteAlive(): void {
    this.#isBeating = false
    const now = Math.round(this.options.clock.epochMs())
    let lines = line.alive(now)
    for (const open of this.#trials.values()) {
      open.hasStarted ||= open.work.inService().some(({ index }) => index === open.trial.index)
      if (open.hasStarted) continue
      open.trial = { ...open.trial, startedAt: now }
      lines += line.trial(open.trial)
    }
    this.#append(lines)
    this.#expectBeat()
  }

  #expectBeat(): void {
    if (this.#isBeating || this.#isLeaving || this.#trials.size === 0) return
    this.#isBeating = true
    this.#beat.set(this.options.clock.monotonicMs() + ALIVE_EVERY_MS)
  }

  #append(lines: string): void {
    const { file, clock } = this.options
    if (this.#retryAtMs !== null) {
      if (clock.monotonicMs() >= this.#retryAtMs) this.#rewrite()
    } else if (!file.append(lines)) this.#retryAtMs = clock.monotonicMs() + RETRY_MS
    else if (file.size - this.#baseSize > MAX_GROWTH) this.#rewrite()
  }

  /** What has ended since is left out. */
  #rewrite(): void {
    const { file, clock } = this.options
    const isWritten = file.replace([...this.#lines()].join(''))
    this.#retryAtMs = isWritten ? null : clock.monotonicMs() + RETRY_MS
    this.#baseSize = file.size
  }

  *#lines(): Iterable<string> {
    yield line.head(Math.round(this.options.clock.epochMs()))
    for (const endedAt of this.#unexplained) yield line.unexplained(endedAt)
    for (const culprit of this.#culprits) yield line.culprit(culprit)
    for (const suspects of this.#suspects.values()) for (const one of suspects.all()) yield line.suspicion(one)
    for (const { number, place, work } of this.#lanes) {
      const stretches = [...work.outstanding()]
      yield line.lane(number, place)
      if (stretches.length > 0) yield line.grant(number, stretches)
    }
    for (const { trial } of this.#trials.values()) yield line.trial(trial)
    if (this.#isLeaving) yield line.leaving()
  }
}

function placeName(run: RunKey, stage: number): string {
  return `${run} ${stage}`
}

function trialName({ run, stage, index }: Place & { index: number }): string {
  return `${placeName(run, stage)} ${index}`
}

function stretchesOf({ first, count, indexes }: Grant): Stretch[] {
  return indexes ? toStretches(indexes) : [{ first, count }]
}
