/** What a lane can tell of its own memory, on every platform. */

import { getHeapStatistics } from 'node:v8'
import { isMainThread } from 'node:worker_threads'

const MEGABYTE = 1024 * 1024

/** Of a process all that is resident, what it shares with others included; of a thread what its heap holds, the least that it takes. */
export function knownMemoryMb(): number {
  if (isMainThread) return process.memoryUsage.rss() / MEGABYTE
  return getHeapStatistics().used_heap_size / MEGABYTE
}
