/** The tasks of a stage that were in service at an end of the server, until they have ended, and which of them are in service now. */

import type { Clock } from '../clock.js'
import type { IndexSet } from '../domain/indexset.js'
import { toStretches } from '../domain/notes.js'
import type { Place, Suspicion } from '../domain/strikes.js'
import type { Quarantine, Suspect } from './quarantine.js'

interface Options {
  clock: Clock
  /** Of the server. */
  quarantine(): Quarantine
  /** It is in service no more. */
  onTakenOut(index: number): void
}

export class Suspects {
  /** As they were noted, those among them that have ended: until the run is taken up. */
  #noted: Suspicion[] = []
  readonly #byIndex = new Map<number, Suspect>()

  constructor(
    readonly place: Place,
    private readonly options: Options,
  ) {}

  /** Of those that were noted nothing is known here before `narrow`. */
  get size(): number {
    return this.#byIndex.size
  }

  add(suspicion: Suspicion): void {
    this.#noted.push(suspicion)
  }

  /** The run is taken up: those that have ended are suspects no more. */
  narrow(ended: IndexSet | null, total: number): void {
    for (const { first, count, strikes, ageMs } of this.#noted) {
      const end = Math.min(first + count, total)
      for (let at = first; at < end; ) {
        const left = ended === null ? { first: at, count: end - at } : ended.nextAbsent(at, end - at)
        if (left === null) break
        const leftEnd = Math.min(left.first + left.count, end)
        for (let index = left.first; index < leftEnd; index += 1) this.#byIndex.set(index, { strikes, ageMs })
        at = left.first + left.count
      }
    }
    this.#noted = []
  }

  has(index: number): boolean {
    return this.#byIndex.has(index)
  }

  /** Before when it must not be put in service, whatever else is, by the monotonic clock; null: it may be now. */
  dueMs(index: number): number | null {
    const suspect = this.#byIndex.get(index)
    const dueMs = suspect ? this.options.quarantine().quietFromMs(suspect) : Number.NEGATIVE_INFINITY
    return dueMs > this.options.clock.monotonicMs() ? dueMs : null
  }

  /** When to look whether other suspects in service are out of its way, by the monotonic clock; null: they are. */
  blockedUntilMs(index: number): number | null {
    const suspect = this.#byIndex.get(index)
    return suspect ? this.options.quarantine().blockedUntilMs(suspect, this.options.clock.monotonicMs()) : null
  }

  putInService(index: number): void {
    const suspect = this.#byIndex.get(index)
    if (suspect) this.options.quarantine().putInService(this.#nameOf(index), suspect, this.options.clock.monotonicMs())
  }

  /** It has not ended, and waits again. */
  takeOut(index: number): void {
    if (!this.#byIndex.has(index)) return
    const { quarantine, onTakenOut } = this.options
    if (quarantine().takeOut(this.#nameOf(index))) onTakenOut(index)
  }

  /** It has ended. */
  forget(index: number): void {
    this.#byIndex.delete(index)
  }

  all(): Suspicion[] {
    const { place } = this
    const twice: Suspicion[] = []
    const once: number[] = []
    for (const [index, { strikes, ageMs }] of this.#byIndex) {
      if (strikes === 1) once.push(index)
      else twice.push({ ...place, first: index, count: 1, strikes, ageMs })
    }
    const stretches = toStretches(once.sort((a, b) => a - b))
    return [
      ...this.#noted,
      ...stretches.map((one): Suspicion => ({ ...place, ...one, strikes: 1, ageMs: 0 })),
      ...twice,
    ]
  }

  #nameOf(index: number): string {
    const { run, stage } = this.place
    return `${run} ${stage} ${index}`
  }
}
