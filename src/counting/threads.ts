/**
 * Counts where it disturbs nobody: what follows from a source is told at once, lists are gone through in slices, and what takes
 * long in a thread of its own, a few of them at a time.
 */

import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { compactInput, type Json } from '../domain/batch.js'
import { Turns } from '../domain/turns.js'
import { Underway } from '../domain/underway.js'
import { plainNumberRule } from '../functions/numbers.js'
import { countCompact } from './compact.js'
import type { CountRequest, ItemCount, ItemCounter, PickedItem } from './counter.js'
import { spreadIndexes } from './spread.js'
import { ItemTally } from './tally.js'
import type { Walk } from './walk.js'

/** Items of a list at a time: a millisecond or so of the event loop. */
const SLICE = 250
/** Each may keep some hundred megabytes, and a core busy. */
const MAX_THREADS = 2

interface Options {
  /** The compiled entry.js: a thread starts from JavaScript, wherever this file was loaded from. */
  entry: URL
  /** The folder of uploaded files. */
  uploadsDir: string
}

export function createItemCounter(options: Options): ItemCounter {
  return new ThreadedCounter(options)
}

class ThreadedCounter implements ItemCounter {
  readonly #underway = new Underway()
  readonly #turns = new Turns(MAX_THREADS)

  constructor(private readonly options: Options) {}

  count(request: CountRequest, caller: AbortSignal): Promise<ItemCount> {
    return this.#underway.run((signal) => this.#count(request, signal), caller)
  }

  close(): Promise<void> {
    return this.#underway.stop(new Error('the server is leaving'))
  }

  async #count({ items, file, ...request }: CountRequest, signal: AbortSignal): Promise<ItemCount> {
    signal.throwIfAborted()
    const { source, use } = request
    if (items !== null) return countList({ ...request, items }, signal)
    if (!isToBeWalked(request) && (source.kind === 'template' || source.kind === 'range')) {
      const counted = countCompact(source, use.kind === 'FETCH' ? use.headers : [])
      if (counted !== null) return { ...NOTHING_WRONG, ...counted, picked: pickNumbers(request) }
    }
    const spec = file && { path: join(this.options.uploadsDir, file.file), stretches: file.stretches }
    return this.#inThread({ ...request, file: spec }, signal)
  }

  async #inThread(walk: Walk, signal: AbortSignal): Promise<ItemCount> {
    const endTurn = await this.#turns.take(signal)
    try {
      return await runThread(this.options.entry, walk, signal)
    } finally {
      endTurn()
    }
  }
}

const NOTHING_WRONG: Pick<ItemCount, 'unsafe' | 'problems' | 'problemCount'> = {
  unsafe: 0,
  problems: [],
  problemCount: 0,
}

/** Where the first, the second and the last number of a range fit the schema, all do, unless it asks for more than bounds. */
function isToBeWalked({ source, use }: Pick<CountRequest, 'source' | 'use'>): boolean {
  if (source.kind !== 'range' || use.kind !== 'COMPUTE') return false
  return use.inputSchema !== null && plainNumberRule(use.inputSchema) === null
}

function pickNumbers({ source, picks }: Pick<CountRequest, 'source' | 'picks'>): PickedItem[] {
  if (source.kind !== 'template' && source.kind !== 'range') return []
  return spreadIndexes(source.count, picks).map((index) => ({ index, item: compactInput(source, index) }))
}

/** Its items have been checked when it came. */
async function countList(
  { items, ...request }: Omit<CountRequest, 'items' | 'file'> & { items: readonly unknown[] },
  signal: AbortSignal,
): Promise<ItemCount> {
  const tally = new ItemTally(request)
  for (let index = 0; index < items.length; index += 1) {
    if (index % SLICE === SLICE - 1) {
      await nextTurn()
      signal.throwIfAborted()
    }
    tally.add(index, items[index] as Json)
  }
  return tally.finish((index) => items[index] as Json)
}

function runThread(entry: URL, walk: Walk, signal: AbortSignal): Promise<ItemCount> {
  return new Promise((resolve, reject) => {
    // The flags of the main thread (a debugger's, a test runner's) are not for this one.
    const worker = new Worker(entry, { name: 'counting', workerData: walk, env: {}, execArgv: [] })
    const abort = () => void worker.terminate()
    let count: ItemCount | null = null
    worker.once('message', (message: ItemCount) => {
      count = message
    })
    worker.once('error', reject)
    // Last of all: what it took in memory is free again.
    worker.once('exit', () => {
      signal.removeEventListener('abort', abort)
      if (signal.aborted) reject(signal.reason)
      else if (count === null) reject(new Error('the thread that counts has ended'))
      else resolve(count)
    })
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
  })
}
