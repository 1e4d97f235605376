import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryWatch, type ThreadMemory, type WatchedThread } from '../../../src/lanes/memory-watch.js'

const LIMITS = { maxHeapMb: 100, maxTotalMb: 300 }

/** A thread as the test says it is: what it holds, and how much of its heap is garbage. */
class FakeThread implements WatchedThread {
  busy = true
  heap = 10
  garbage = 0
  external = 0
  answers = true
  looks = 0
  collections = 0
  ends = 0

  isBusy(): boolean {
    return this.busy
  }

  async heapMb(): Promise<number | null> {
    this.looks += 1
    return this.answers ? this.heap + this.garbage : null
  }

  async memory(collects: boolean): Promise<ThreadMemory | null> {
    if (!this.answers) return null
    if (collects) {
      this.collections += 1
      this.garbage = 0
    }
    return { heapMb: this.heap + this.garbage, externalMb: this.external }
  }

  end(): void {
    this.ends += 1
  }
}

describe('MemoryWatch', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  function watching(resident = { mb: 200 }) {
    const thread = new FakeThread()
    const watch = new MemoryWatch({ ...LIMITS, residentMb: () => resident.mb })
    return { thread, resident, forget: watch.add(thread) }
  }

  it('ends a thread whose heap is beyond its limit, once', async () => {
    const { thread } = watching()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.ends).toBe(0)
    thread.heap = 101
    await vi.advanceTimersByTimeAsync(1_000)
    expect([thread.ends, thread.collections]).toEqual([1, 1])
  })

  it('ends none for its garbage, and does not collect it all the time', async () => {
    const { thread } = watching()
    for (let round = 0; round < 100; round += 1) {
      thread.garbage = 200
      await vi.advanceTimersByTimeAsync(20)
    }
    expect(thread.ends).toBe(0)
    expect(thread.collections).toBeGreaterThan(10)
  })

  it('looks at what is outside of the heap where the process has grown', async () => {
    const { thread, resident } = watching()
    thread.external = 295
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.ends).toBe(0)
    resident.mb = 500
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.ends).toBe(1)
  })

  it('ends none of which it is another one that has made the process grow', async () => {
    const { thread, resident } = watching()
    resident.mb = 5_000
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.ends).toBe(0)
  })

  it('looks more often at one that is close to its limit', async () => {
    const { thread } = watching()
    await vi.advanceTimersByTimeAsync(1_000)
    const far = thread.looks
    thread.heap = 60
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.looks - far).toBeGreaterThan(2 * far)
  })

  it('does not ask those with nothing to do, nor those that it is to forget', async () => {
    const { thread, forget } = watching()
    await vi.advanceTimersByTimeAsync(100)
    thread.busy = false
    const { looks } = thread
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.looks).toBe(looks)
    thread.busy = true
    forget()
    thread.heap = 1_000
    await vi.advanceTimersByTimeAsync(1_000)
    expect([thread.looks, thread.ends]).toEqual([looks, 0])
  })

  it('leaves one alone that does not answer', async () => {
    const { thread } = watching()
    thread.answers = false
    thread.heap = 1_000
    await vi.advanceTimersByTimeAsync(1_000)
    expect(thread.ends).toBe(0)
  })
})
