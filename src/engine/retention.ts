/** Takes runs away that ended long ago: soon after the start, and then again and again. */

import type { Logger } from 'pino'
import type { Clock } from '../clock.js'
import { Alarm } from './alarm.js'

interface Options {
  /** How long ended runs are kept; 0: for ever. */
  days: number
  clock: Clock
  log: Pick<Logger, 'info' | 'error'>
  /** Deletes the runs that ended before this instant; answers with how many. */
  prune(finishedBefore: Date): Promise<number>
}

const DAY_MS = 86_400_000
/** What a start has to do goes first. */
const FIRST_MS = 10_000
const EVERY_MS = 3_600_000

export class Retention {
  readonly #alarm: Alarm
  #stopped = false

  constructor(private readonly options: Options) {
    this.#alarm = new Alarm(options.clock, () => void this.#prune())
  }

  start(): void {
    if (this.options.days > 0) this.#ringIn(FIRST_MS)
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#stopped = true
    this.#alarm.set(null)
  }

  #ringIn(delayMs: number): void {
    if (!this.#stopped) this.#alarm.set(this.options.clock.monotonicMs() + delayMs)
  }

  async #prune(): Promise<void> {
    const { days, clock, log, prune } = this.options
    const finishedBefore = new Date(clock.now().getTime() - days * DAY_MS)
    try {
      const runs = await prune(finishedBefore)
      if (runs > 0) log.info({ runs, finishedBefore }, 'took away runs that ended long ago')
    } catch (error) {
      log.error({ err: error }, 'runs that ended long ago could not be taken away')
    }
    this.#ringIn(EVERY_MS)
  }
}
