/**
 * Sees that no thread needs more memory than a lane may have. The engine has a limit of its own, at which it ends the thread; but
 * what goes beyond that by tens of megabytes at once has it end the whole process, and buffers have none. So the engine's is set far
 * above the lane's, and what a thread has is looked at from outside while it has something in service.
 */

/** What a thread has at hand, in megabytes. */
export interface ThreadMemory {
  heapMb: number
  /** Outside of the heap: buffers above all. */
  externalMb: number
}

export interface WatchedThread {
  /** Whether it has a task in service: only those grow. */
  isBusy(): boolean
  /** What is in its heap, garbage included; null where it does not say. */
  heapMb(): Promise<number | null>
  /** All that it has; with `collects` without the garbage, which it is interrupted for. Null where it does not say. */
  memory(collects: boolean): Promise<ThreadMemory | null>
  /** It needs more than it may. */
  end(): void
}

interface Options {
  maxHeapMb: number
  /** Of the heap and what is outside of it together. */
  maxTotalMb: number
  /** Resident memory of the process. */
  residentMb(): number
}

/** A thread comes to a gigabyte in about a second. */
const LOOK_MS = 100
/** Whether the process has grown costs next to nothing to ask. */
const GLANCE_MS = 20
/** And those that are close to their limit do so sooner. */
const CLOSE_LOOK_MS = 20
const CLOSE_SHARE = 0.5
/** Garbage is collected for no more than a fifth of the time. */
const REST_PER_COLLECTION = 4

export class MemoryWatch {
  readonly #threads = new Set<WatchedThread>()
  /** Before any thread was there. */
  readonly #baseMb: number

  constructor(private readonly options: Options) {
    this.#baseMb = options.residentMb()
  }

  /** Until it is told to forget it. */
  add(thread: WatchedThread): () => void {
    this.#threads.add(thread)
    void this.#follow(thread)
    return () => void this.#threads.delete(thread)
  }

  async #follow(thread: WatchedThread): Promise<void> {
    while (this.#threads.has(thread)) {
      const waitMs = thread.isBusy() ? await this.#look(thread) : LOOK_MS
      for (let waitedMs = 0; waitedMs < waitMs; waitedMs += GLANCE_MS) {
        await new Promise<void>((resolve) => setTimeout(resolve, Math.min(GLANCE_MS, waitMs - waitedMs)).unref())
        if (waitMs === LOOK_MS && thread.isBusy() && this.#hasGrown) break
      }
    }
  }

  /** Answers with when to look again. */
  async #look(thread: WatchedThread): Promise<number> {
    const { maxHeapMb } = this.options
    const heapMb = await thread.heapMb()
    if (heapMb === null) return LOOK_MS
    if (heapMb > maxHeapMb || this.#hasGrown) return this.#lookClosely(thread)
    return heapMb > maxHeapMb * CLOSE_SHARE ? CLOSE_LOOK_MS : LOOK_MS
  }

  /** Whether the process has grown by more than a thread may: it costs less to ask for than what each thread has. */
  get #hasGrown(): boolean {
    const { residentMb, maxHeapMb } = this.options
    return residentMb() - this.#baseMb > maxHeapMb
  }

  async #lookClosely(thread: WatchedThread): Promise<number> {
    if (!this.#isTooMuch(await thread.memory(false))) return CLOSE_LOOK_MS
    const startedMs = performance.now()
    if (!this.#isTooMuch(await thread.memory(true)))
      return CLOSE_LOOK_MS + REST_PER_COLLECTION * (performance.now() - startedMs)
    this.#threads.delete(thread)
    thread.end()
    return LOOK_MS
  }

  #isTooMuch(memory: ThreadMemory | null): boolean {
    if (memory === null) return false
    const { maxHeapMb, maxTotalMb } = this.options
    return memory.heapMb > maxHeapMb || memory.heapMb + memory.externalMb > maxTotalMb
  }
}
