/** Knows whether anything can be written down, says so in the log, once, and finds out when it can be again. */

import type { Logger } from 'pino'
import type { Clock } from '../clock.js'
import { StorageError, type StorageTrouble, type StorageTroubleCode } from '../domain/storage.js'
import type { Store } from '../store/store.js'

interface Options {
  store: Pick<Store, 'proveWritable'>
  clock: Clock
  log: Logger
  /** Whether something that failed has still to be written. */
  isStuck(): boolean
  /** Writing works again. */
  onOver(): void
}

/** From one try to the next. */
const TRY_MS = 1_000

/** For the log, where people look for these words. */
const HEADLINES: Readonly<Record<StorageTroubleCode, string>> = {
  FULL: 'the disk is full: runs stand still until there is room',
  BUSY: 'the database is locked by another process: runs stand still until it lets go',
  FAILED: 'the disk cannot be written: runs stand still until it can',
}

export class StorageWatch {
  #trouble: StorageTrouble | null = null
  #hasFailed = false
  #stopped = false
  #cancel: (() => void) | null = null

  constructor(private readonly options: Options) {}

  /** Null where all is well, as far as is known. */
  get trouble(): StorageTrouble | null {
    return this.#trouble
  }

  /** Does what writes, and takes note where it fails. */
  async over<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.failed(error)
      throw error
    }
  }

  /**
   * The same of something new, which is refused while there is trouble: what is small may find room where what waits does not, and to
   * go on with that first is what the room is for.
   */
  create<T>(work: () => Promise<T>): Promise<T> {
    if (this.#trouble === null) return this.over(work)
    return Promise.reject(new StorageError(this.#trouble.code, 'nothing new is taken while the disk is in trouble'))
  }

  /** Whether it was trouble of the disk that a write has failed of: then all is said that there is to say. */
  failed(error: unknown): boolean {
    if (!(error instanceof StorageError)) return false
    this.#hasFailed = true
    if (this.#trouble?.code !== error.code) this.#begin(error)
    this.#cancel ??= this.options.clock.setTimer(() => void this.#try(), TRY_MS)
    return true
  }

  /** Something else has found no room on the disk: looks whether there is any. */
  look(): void {
    if (this.#stopped || this.#cancel !== null) return
    this.#cancel = () => {}
    void this.#try()
  }

  /** No further try. */
  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #begin(error: StorageError): void {
    const { clock, log } = this.options
    const since = this.#trouble?.since ?? clock.now()
    this.#trouble = { code: error.code, since }
    log.error({ err: error }, HEADLINES[error.code])
  }

  /** What is small may be written where what is large cannot: a try that succeeds is not enough where something has failed beside it. */
  async #try(): Promise<void> {
    this.#hasFailed = false
    const error = await this.options.store.proveWritable().then(
      () => null,
      (reason: unknown) => reason,
    )
    this.#cancel = null
    if (this.#stopped) return
    if (error === null && !this.#hasFailed && !this.options.isStuck()) this.#end()
    else if (!this.failed(error)) this.#cancel = this.options.clock.setTimer(() => void this.#try(), TRY_MS)
  }

  #end(): void {
    if (this.#trouble === null) return
    const { clock, log, onOver } = this.options
    const tookMs = clock.now().getTime() - this.#trouble.since.getTime()
    this.#trouble = null
    log.warn({ tookMs }, 'the disk can be written again: runs go on')
    onOver()
  }
}
