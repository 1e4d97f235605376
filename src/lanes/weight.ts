/** What a lane can tell of its own memory, on every platform. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread, threadId } from 'node:worker_threads'

const MEGABYTE = 1024 * 1024

/** Of a process all that is resident, what it shares with others included; of a thread what its heap holds, the least that it takes. */
export function knownMemoryMb(): number {
  if (isMainThread) return process.memoryUsage.rss() / MEGABYTE
  return getHeapStatistics().used_heap_size / MEGABYTE
}

/** Called over the inspector, in the middle of whatever a function does: see memory-watch.ts. */
const EXPOSED = Symbol.for('heddle.memory')

/** The expression that has a thread tell [its id, heap, external], those in bytes; with `collects` without the garbage. */
export function memoryExpression(collects: boolean): string {
  return `globalThis[Symbol.for(${JSON.stringify(EXPOSED.description)})]?.(${collects})`
}

export type ToldMemory = [threadId: number, heapBytes: number, externalBytes: number]

/** Has the thread answer to it. */
export function exposeMemory(): void {
  const memoryUsage = process.memoryUsage.bind(process)
  const collectGarbage = garbageCollector()
  const tell = (collects: boolean): ToldMemory | null => {
    if (collects && collectGarbage === null) return null
    if (collects) collectGarbage?.()
    const { heapUsed, external } = memoryUsage()
    return [threadId, heapUsed, external]
  }
  Object.defineProperty(globalThis, EXPOSED, { value: tell })
}

/** The flag is the process's: another thread that starts at the same time may take it back in between. */
const MAX_TRIES = 20

/** A flag makes it, and only in contexts that are made meanwhile: functions are not to find it. Null where it cannot be had. */
function garbageCollector(): (() => void) | null {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('globalThis.gc')
    setFlagsFromString('--no-expose-gc')
    if (typeof collect === 'function') return () => void collect()
  }
  return null
}
