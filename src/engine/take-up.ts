/**
 * Takes up the runs that had not ended when the server did. On a disk in trouble that comes later, as soon as it can be written: what
 * there is can be read meanwhile.
 */

import type { Logger } from 'pino'
import type { RunRecord } from '../domain/run.js'
import type { Store } from '../store/store.js'
import type { Comparisons } from './comparisons.js'
import type { GrantNotes } from './grant-notes.js'
import { stateOf } from './ledger.js'
import type { StorageWatch } from './storage-watch.js'

interface Options {
  store: Pick<Store, 'commit' | 'unfinishedRuns'>
  comparisons: Pick<Comparisons, 'noteCutOff' | 'resume'>
  storage: Pick<StorageWatch, 'failed'>
  notes: Pick<GrantNotes, 'start'>
  /** Carries a run out, from where it is. */
  resume(record: RunRecord): Promise<void>
  log: Logger
}

/** Sequences that clients saw since the last commit must not be seen again after a crash. */
const SEQUENCE_LEAP = 65_536

export class TakeUp {
  /** Those that wait for the disk. */
  #waiting: readonly RunRecord[] = []

  constructor(private readonly options: Options) {}

  /** Rejects with any fault that is no trouble of the disk. */
  async start(): Promise<void> {
    const unfinished = await this.options.store.unfinishedRuns()
    this.options.notes.start(unfinished.map(({ key }) => key))
    await this.#takeUp(unfinished.map(toTakenUp))
  }

  /** The disk can be written again. */
  goOn(): void {
    this.#takeUp(this.#waiting).catch((error: unknown) =>
      this.options.log.error({ err: error }, 'the runs that were cut off could not be taken up'),
    )
  }

  async #takeUp(unfinished: readonly RunRecord[]): Promise<void> {
    const { comparisons, storage, resume, log } = this.options
    this.#waiting = []
    if (unfinished.length === 0) return
    try {
      await this.#writeDown(unfinished)
    } catch (error) {
      if (!storage.failed(error)) throw error
      this.#waiting = unfinished
      return
    }
    // What is to end CANCELLED needs no lanes, and has no turn to wait for.
    const isCompared = ({ comparisonId, isCancelRequested }: RunRecord) => comparisonId !== null && !isCancelRequested
    for (const record of unfinished) if (!isCompared(record)) await resume(record)
    comparisons.resume(unfinished.filter(isCompared))
    log.info({ runs: unfinished.length }, 'took up the runs that were cut off')
  }

  /** On disk before anyone sees it: the next start leaps from there. */
  async #writeDown(unfinished: readonly RunRecord[]): Promise<void> {
    const { store, comparisons } = this.options
    await comparisons.noteCutOff(unfinished)
    await store.commit(
      unfinished.map((record) => ({
        runId: record.id,
        state: stateOf(record),
        blocks: [],
        sketches: null,
        stageSketches: [],
      })),
    )
  }
}

function toTakenUp(record: RunRecord): RunRecord {
  const sequence = record.sequence + SEQUENCE_LEAP
  if (record.startedAt === null) return { ...record, sequence }
  // Its first task started then, also where the server's end has left nothing of that.
  const firstStartMs = Math.min(record.times.firstStartMs ?? 0, 0)
  return { ...record, sequence, times: { ...record.times, firstStartMs } }
}
