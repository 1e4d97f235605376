/** Lanes in worker threads. */

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Tinypool, type TinypoolWorker } from 'tinypool'
import { type CarrierOptions, type CarrierSource, createCarrierSource, type Ending, type Line } from './carrier.js'
import { Inspection } from './inspection.js'
import { MemoryWatch, type ThreadMemory, type WatchedThread } from './memory-watch.js'
import type { FromLane, LaneTask, ToLane } from './messages.js'
import { MemorySlateReader } from './slate.js'
import { memoryExpression, type ToldMemory } from './weight.js'

/**
 * The engine's own limit is 48 MB, which each lane comes to in a long run whatever it computes: a run of many items would
 * take so much more than one of a few. With less than this one, what 64 requests in flight have at hand is taken for old before it is
 * garbage, and fetches lose a quarter of their throughput.
 */
const MAX_YOUNG_GENERATION_MB = 16

/**
 * What the engine may take beyond the lane's limit before it ends the thread by itself, where somebody watches. An array that is
 * full grows by half and needs both at once, and a busy server may be late by a second, in which a thread takes a gigabyte.
 */
const headroomMb = (laneMemoryMb: number) => 2 * laneMemoryMb + 2048
/** As a process has it for what is not in its heap. */
const EXTERNAL_MEMORY_MB = 256

const MEGABYTE = 1024 * 1024

export function createThreadCarriers(options: CarrierOptions): CarrierSource {
  const { laneMemoryMb } = options
  const inspection = Inspection.open()
  const watch = new MemoryWatch({
    maxHeapMb: laneMemoryMb,
    maxTotalMb: laneMemoryMb + EXTERNAL_MEMORY_MB,
    residentMb: () => process.memoryUsage.rss() / MEGABYTE,
  })
  const pool = new Tinypool({
    runtime: 'worker_threads',
    minThreads: 0,
    maxThreads: options.maxWorkers,
    idleTimeout: 0,
    // With Atomics a worker would sleep between tinypool's tasks, and the lane's event loop with it.
    useAtomics: false,
    // Without these a thread inherits the server's secrets and flags.
    env: { ...options.env },
    execArgv: [],
    resourceLimits: {
      maxOldGenerationSizeMb: inspection ? laneMemoryMb + headroomMb(laneMemoryMb) : laneMemoryMb,
      maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB,
    },
  })
  const watched = inspection && { inspection, watch }
  const source = createCarrierSource(pool, { entry: options.entry, createLine: () => new PortLine(options, watched) })
  return {
    start: (listener) => source.start(listener),
    async close() {
      inspection?.close()
      await source.close()
    },
  }
}

interface Watched {
  inspection: Inspection
  watch: MemoryWatch
}

class PortLine implements Line {
  readonly slate = new MemorySlateReader()
  readonly task: LaneTask
  readonly run: Line['run']
  readonly #port: MessagePort
  readonly #laneMemoryMb: number
  readonly #watched: Watched | null
  #stopWatching: () => void = () => {}
  #needsTooMuch = false

  /** `watched`: null where threads cannot be looked into. */
  constructor(
    { functionsDir, allowHosts, stagingDir, epochOfMonotonicMs, laneMemoryMb }: CarrierOptions,
    watched: Watched | null,
  ) {
    this.#watched = watched
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#laneMemoryMb = laneMemoryMb
    this.task = {
      functionsDir,
      allowHosts,
      laneMemoryMb,
      stagingDir,
      epochOfMonotonicMs,
      line: { kind: 'port', port: port2 },
    }
    this.run = { transferList: [port2] }
  }

  /** A thread's buffers cannot be told from the server's. */
  memoryMb(): null {
    return null
  }

  async ownMemoryMb(): Promise<null> {
    return null
  }

  send(message: ToLane): void {
    this.#port.postMessage(message)
  }

  listen(onMessage: (message: FromLane) => void, onClosed: () => void): void {
    this.#port.on('message', onMessage)
    this.#port.once('close', onClosed)
  }

  attach(worker: TinypoolWorker): void {
    if (!this.#watched) return
    const { inspection, watch } = this.#watched
    const thread: WatchedThread = {
      isBusy: () => this.slate.read().length > 0,
      heapMb: () => heapMbOf(inspection, worker.threadId),
      memory: (collects) => memoryOf(inspection, worker.threadId, collects),
      end: () => {
        this.#needsTooMuch = true
        void worker.terminate()
      },
    }
    this.#stopWatching = watch.add(thread)
  }

  /** Terminating a thread stops even one that spins. */
  kill(): void {}

  describeExit({ code, error }: { code: number | null; error: (Error & { code?: string }) | null }): Ending {
    if (this.#needsTooMuch || error?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return { outOfMemory: true, message: `needed more than ${this.#laneMemoryMb} MB` }
    }
    const failed = error !== null && error.name !== 'AbortError'
    return { outOfMemory: false, message: failed ? `failed: ${error.message}` : `exited with code ${code}` }
  }

  close(): void {
    this.#stopWatching()
    this.#port.close()
  }
}

async function heapMbOf(inspection: Inspection, threadId: number): Promise<number | null> {
  const usage = (await inspection.ask(threadId, 'Runtime.getHeapUsage')) as { usedSize: number } | null
  return usage && usage.usedSize / MEGABYTE
}

async function memoryOf(inspection: Inspection, threadId: number, collects: boolean): Promise<ThreadMemory | null> {
  const asked = { expression: memoryExpression(collects), returnByValue: true }
  const answer = (await inspection.ask(threadId, 'Runtime.evaluate', asked)) as { result: { value?: unknown } } | null
  const value = answer?.result.value
  if (!Array.isArray(value)) return null
  const [told, heapBytes, externalBytes] = value as ToldMemory
  // Nobody is to be ended for another one's memory.
  if (told !== threadId) return null
  return { heapMb: heapBytes / MEGABYTE, externalMb: externalBytes / MEGABYTE }
}
