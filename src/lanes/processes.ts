/** Lanes in child processes. */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tinypool, type TinypoolChannel, type TinypoolWorker } from 'tinypool'
import { type CarrierOptions, type CarrierSource, createCarrierSource, type Ending, type Line } from './carrier.js'
import type { FromLane, FromProcess, LaneTask, ToLane } from './messages.js'
import { FileSlateReader } from './slate.js'

/** What a process needs besides its JavaScript heap: code, stacks, buffers in passing. */
const BASE_MEMORY_MB = 256

export function createProcessCarriers(options: CarrierOptions): CarrierSource {
  // tinypool pipes what each child prints to the server's, Node what each thread does, and neither counts the other's: many lanes
  // would be told to be a leak of listeners.
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(Number.POSITIVE_INFINITY)
  const pool = new Tinypool({
    runtime: 'child_process',
    // Typed arrays travel as they are, and BigInts at all.
    serialization: 'advanced',
    minThreads: 0,
    maxThreads: options.maxWorkers,
    idleTimeout: 0,
    // Without this a child inherits the server's secrets.
    env: { ...options.env },
    execArgv: [`--max-old-space-size=${options.laneMemoryMb}`],
  })
  return createCarrierSource(pool, { entry: options.entry, createLine: () => new ChannelLine(options) })
}

class ChannelLine implements Line {
  readonly slate: FileSlateReader
  readonly task: LaneTask
  readonly run: Line['run']
  readonly #channel: Required<Pick<TinypoolChannel, 'onMessage' | 'postMessage'>>
  readonly #laneMemoryMb: number
  #sendToChild: ((message: ToLane) => void) | null = null
  #onMessage: (message: FromLane) => void = () => {}
  #onClosed: () => void = () => {}
  /** Known from the lane's beginning to its end: a pid is given to others afterwards. */
  #pid: number | null = null

  constructor({ functionsDir, allowHosts, stagingDir, epochOfMonotonicMs, laneMemoryMb }: CarrierOptions) {
    const slatePath = join(tmpdir(), `heddle-${randomUUID()}.slate`)
    this.slate = new FileSlateReader(slatePath)
    this.#laneMemoryMb = laneMemoryMb
    const key = randomUUID()
    const guard = { parentPid: process.pid, maxResidentMb: laneMemoryMb + BASE_MEMORY_MB }
    this.task = {
      functionsDir,
      allowHosts,
      laneMemoryMb,
      stagingDir,
      epochOfMonotonicMs,
      line: { kind: 'channel', slatePath, key, guard },
    }
    this.#channel = {
      onMessage: (send) => {
        this.#sendToChild = send
      },
      // A function may send something of its own over the channel.
      postMessage: (sent: unknown) => isFromLane(sent, key) && this.#onMessage(sent.message),
    }
    this.run = { channel: this.#channel }
  }

  /** As Linux tells it; other platforms would have to ask the process, which may be busy. */
  memoryMb(): number | null {
    if (this.#pid === null) return null
    try {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#pid}/status`, 'latin1')) ?? []
      return kilobytes === undefined ? null : Number(kilobytes) / 1024
    } catch {
      return null
    }
  }

  /** Linux again. Not the resident memory: most of that is the code of Node.js, which all processes have in common. */
  async ownMemoryMb(): Promise<number | null> {
    if (this.#pid === null) return null
    try {
      const rollup = await readFile(`/proc/${this.#pid}/smaps_rollup`, 'latin1')
      const kilobytesOf = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1])
      const kilobytes = kilobytesOf('Private_Clean') + kilobytesOf('Private_Dirty')
      return Number.isNaN(kilobytes) ? null : kilobytes / 1024
    } catch {
      return null
    }
  }

  send(message: ToLane): void {
    this.#sendToChild?.(message)
  }

  listen(onMessage: (message: FromLane) => void, onClosed: () => void): void {
    this.#onMessage = onMessage
    this.#onClosed = onClosed
  }

  attach(worker: TinypoolWorker): void {
    this.#pid = worker.threadId
    this.slate.unlink()
    worker.once('disconnect', () => this.#onClosed())
    worker.once('exit', () => {
      this.#pid = null
    })
  }

  /** tinypool sends SIGTERM and waits a second: a process that spins would spin on. */
  kill(): void {
    if (this.#pid !== null) process.kill(this.#pid, 'SIGKILL')
  }

  describeExit({ code, signal }: { code: number | null; signal: string | null }): Ending {
    // V8 aborts the process when the heap is exhausted, and the lane's guard when other memory is.
    if (signal === 'SIGABRT') return { outOfMemory: true, message: `needed more than ${this.#laneMemoryMb} MB` }
    const message = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
    return { outOfMemory: false, message }
  }

  close(): void {
    this.slate.close()
  }
}

function isFromLane(sent: unknown, key: string): sent is FromProcess {
  return typeof sent === 'object' && sent !== null && (sent as Partial<FromProcess>).key === key
}
