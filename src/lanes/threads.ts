/** Lanes in worker threads. */

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Tinypool } from 'tinypool'
import { type CarrierOptions, type CarrierSource, createCarrierSource, type Ending, type Line } from './carrier.js'
import type { FromLane, LaneTask, ToLane } from './messages.js'
import { MemorySlateReader } from './slate.js'

/**
 * The engine's own limit is 48 MB, which each lane comes to in a long run whatever it computes: a run of many items would
 * take so much more than one of a few. With less than this one, what 64 requests in flight have at hand is taken for old before it is
 * garbage, and fetches lose a quarter of their throughput.
 */
const MAX_YOUNG_GENERATION_MB = 16

export function createThreadCarriers(options: CarrierOptions): CarrierSource {
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
      maxOldGenerationSizeMb: options.laneMemoryMb,
      maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB,
    },
  })
  return createCarrierSource(pool, { entry: options.entry, createLine: () => new PortLine(options) })
}

class PortLine implements Line {
  readonly slate = new MemorySlateReader()
  readonly task: LaneTask
  readonly run: Line['run']
  readonly #port: MessagePort
  readonly #laneMemoryMb: number

  constructor({ functionsDir, allowHosts, stagingDir, epochOfMonotonicMs, laneMemoryMb }: CarrierOptions) {
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

  attach(): void {}

  /** Terminating a thread stops even one that spins. */
  kill(): void {}

  describeExit({ code, error }: { code: number | null; error: (Error & { code?: string }) | null }): Ending {
    if (error?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return { outOfMemory: true, message: `needed more than ${this.#laneMemoryMb} MB` }
    }
    const failed = error !== null && error.name !== 'AbortError'
    return { outOfMemory: false, message: failed ? `failed: ${error.message}` : `exited with code ${code}` }
  }

  close(): void {
    this.#port.close()
  }
}
