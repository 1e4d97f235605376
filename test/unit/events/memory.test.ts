import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { MemoryEventBus } from '../../../src/events/memory.js'

const RUN = toRunKey('00000000-0000-4000-8000-000000000001')
const OTHER = toRunKey('00000000-0000-4000-8000-000000000002')

/** Whether a promise is still open once everything that was due has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open')
  const turn = new Promise((resolve) => setImmediate(() => resolve(open)))
  return (await Promise.race([promise, turn])) === open
}

describe('MemoryEventBus', () => {
  it('resolves a waiting watch with the run that changed', async () => {
    const bus = new MemoryEventBus()
    const next = bus.watch({ kind: 'run', run: RUN }).next()
    bus.runChanged(RUN)
    expect(await next).toEqual(new Set([RUN]))
  })

  it('keeps news that came while nobody waited, as one', async () => {
    const bus = new MemoryEventBus()
    const watch = bus.watch({ kind: 'allRuns' })
    bus.runChanged(RUN)
    bus.runChanged(OTHER)
    bus.runChanged(RUN)
    expect(await watch.next()).toEqual(new Set([RUN, OTHER]))
    expect(await isPending(watch.next())).toBe(true)
  })

  it('does not see what happened before the watch', async () => {
    const bus = new MemoryEventBus()
    bus.runChanged(RUN)
    expect(await isPending(bus.watch({ kind: 'run', run: RUN }).next())).toBe(true)
  })

  it('tells watches of one run nothing of another', async () => {
    const bus = new MemoryEventBus()
    const run = bus.watch({ kind: 'run', run: RUN }).next()
    const tasks = bus.watch({ kind: 'tasks', run: RUN }).next()
    bus.runChanged(OTHER)
    bus.tasksCommitted(OTHER)
    expect(await isPending(Promise.race([run, tasks]))).toBe(true)
  })

  it('tells watches of several runs of each of them, and of no other, until they close', async () => {
    const bus = new MemoryEventBus()
    const third = toRunKey('00000000-0000-4000-8000-000000000003')
    const watch = bus.watch({ kind: 'runs', runs: [RUN, OTHER] })
    const next = watch.next()
    bus.runChanged(third)
    bus.tasksCommitted(RUN)
    expect(await isPending(next)).toBe(true)
    bus.runChanged(OTHER)
    expect(await next).toEqual(new Set([OTHER]))
    bus.runChanged(RUN)
    bus.runChanged(OTHER)
    expect(await watch.next()).toEqual(new Set([RUN, OTHER]))
    watch.close()
    expect([await watch.next(), bus.watches]).toEqual([null, 0])
    const none = bus.watch({ kind: 'runs', runs: [] }).next()
    bus.runChanged(RUN)
    expect(await isPending(none)).toBe(true)
  })

  it('tells of committed tasks only those who watch tasks', async () => {
    const bus = new MemoryEventBus()
    const tasks = bus.watch({ kind: 'tasks', run: RUN }).next()
    const run = bus.watch({ kind: 'run', run: RUN }).next()
    const all = bus.watch({ kind: 'allRuns' }).next()
    bus.tasksCommitted(RUN)
    expect(await tasks).toEqual(new Set([RUN]))
    expect(await isPending(Promise.race([run, all]))).toBe(true)
  })

  it('tells those who watch tasks that the run changed', async () => {
    const bus = new MemoryEventBus()
    const tasks = bus.watch({ kind: 'tasks', run: RUN }).next()
    bus.runChanged(RUN)
    expect(await tasks).toEqual(new Set([RUN]))
  })

  it('answers simultaneous calls of next with the same news', async () => {
    const bus = new MemoryEventBus()
    const watch = bus.watch({ kind: 'run', run: RUN })
    const [first, second] = [watch.next(), watch.next()]
    bus.runChanged(RUN)
    expect(await first).toEqual(new Set([RUN]))
    expect(await second).toEqual(new Set([RUN]))
  })

  it('releases a closed watch at once, and wakes who waits on it with null', async () => {
    const bus = new MemoryEventBus()
    const watch = bus.watch({ kind: 'run', run: RUN })
    const next = watch.next()
    expect(bus.watches).toBe(1)
    watch.close()
    watch.close()
    expect(bus.watches).toBe(0)
    expect(await next).toBeNull()
    bus.runChanged(RUN)
    expect(await watch.next()).toBeNull()
  })

  it('closes all watches, and gives out closed ones afterwards', async () => {
    const bus = new MemoryEventBus()
    const nexts = [
      bus.watch({ kind: 'run', run: RUN }).next(),
      bus.watch({ kind: 'tasks', run: RUN }).next(),
      bus.watch({ kind: 'allRuns' }).next(),
    ]
    bus.close()
    expect(await Promise.all(nexts)).toEqual([null, null, null])
    expect(bus.watches).toBe(0)
    expect(await bus.watch({ kind: 'allRuns' }).next()).toBeNull()
    expect(bus.watches).toBe(0)
  })

  it('lets a watch be closed by the news it brings to another', async () => {
    const bus = new MemoryEventBus()
    const second = bus.watch({ kind: 'run', run: RUN })
    const first = bus.watch({ kind: 'run', run: RUN })
    const closing = first.next().then(() => second.close())
    bus.runChanged(RUN)
    await closing
    expect(await second.next()).toBeNull()
  })
})
