import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { MemoryEventBus } from '../../../src/events/memory.js'
import { openStream, Pace, type StreamScope } from '../../../src/graphql/stream.js'
import { ManualClock } from '../../support/clock.js'

const RUN = toRunKey('00000000-0000-4000-8000-000000000001')

function sources() {
  return { bus: new MemoryEventBus(), clock: new ManualClock() }
}

/** Sends the number of each change. */
async function* changes(scope: StreamScope): AsyncGenerator<number, void, void> {
  const watch = scope.watch({ kind: 'run', run: RUN })
  for (let change = 1; (await watch.next()) !== null; change += 1) yield change
}

describe('openStream', () => {
  it('opens nothing before the first call', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, changes)
    expect(bus.watches).toBe(0)
    const next = stream.next()
    expect(bus.watches).toBe(1)
    bus.runChanged(RUN)
    expect(await next).toEqual({ done: false, value: 1 })
    await stream.return?.()
  })

  it('ends at once when its client goes, though it waits for what may never come', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, changes)
    const next = stream.next()
    const returned = stream.return?.()
    expect(bus.watches).toBe(0)
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await returned).toEqual({ done: true, value: undefined })
  })

  it('tells of its beginning and its end, once each, however it ends', async () => {
    for (const end of ['return', 'throw'] as const) {
      const told: string[] = []
      const streaming = () => {
        told.push('begins')
        return () => void told.push('ends')
      }
      const stream = openStream({ ...sources(), streaming }, changes)
      expect(told).toEqual([])
      void stream.next()
      expect(told).toEqual(['begins'])
      if (end === 'throw') await stream.throw?.(new Error('gone')).catch(() => {})
      await stream.return?.()
      expect(told).toEqual(['begins', 'ends'])
    }
  })

  it('ends at once while it sleeps', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, async function* (scope) {
      await scope.sleep(60_000)
      yield scope.closed
    })
    const next = stream.next()
    await stream.return?.()
    expect(await next).toEqual({ done: false, value: true })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(clock.nextDueMs).toBeNull()
  })

  it('ends between two items, and when its client throws', async () => {
    for (const end of ['return', 'throw'] as const) {
      const { bus, clock } = sources()
      const stream = openStream({ bus, clock }, changes)
      const next = stream.next()
      bus.runChanged(RUN)
      await next
      expect(bus.watches).toBe(1)
      await stream[end]?.().catch(() => {})
      expect(bus.watches).toBe(0)
    }
  })

  it('releases its watches when it fails', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, async function* (scope) {
      scope.watch({ kind: 'allRuns' })
      yield 1
      throw new Error('broken')
    })
    await stream.next()
    expect(bus.watches).toBe(1)
    await expect(stream.next()).rejects.toThrow('broken')
    expect(bus.watches).toBe(0)
  })

  it('does not take the end of the bus for the end of what it tells', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, changes)
    let ended = false
    const next = stream.next().then((item) => {
      ended = true
      return item
    })
    bus.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(ended).toBe(false)
    await stream.return?.()
    expect((await next).done).toBe(true)
  })

  it('gives out closed watches once it is closed', async () => {
    const { bus, clock } = sources()
    let scope: StreamScope | undefined
    const stream = openStream({ bus, clock }, async function* (opened) {
      scope = opened
      yield 1
    })
    await stream.next()
    await stream.return?.()
    expect(await scope?.watch({ kind: 'allRuns' }).next()).toBeNull()
    expect(bus.watches).toBe(0)
  })
})

describe('Pace', () => {
  it('lets the first go, and each after its time', async () => {
    const { bus, clock } = sources()
    const stream = openStream({ bus, clock }, async function* (scope) {
      const pace = new Pace(scope, 4)
      for (;;) {
        await pace.turn()
        pace.mark()
        yield clock.monotonicMs()
      }
    })
    expect((await stream.next()).value).toBe(0)
    const second = stream.next()
    await new Promise((resolve) => setImmediate(resolve))
    expect(clock.nextDueMs).toBe(250)
    clock.advance(250)
    expect((await second).value).toBe(250)
    clock.advance(1000)
    expect((await stream.next()).value).toBe(1250)
    await stream.return?.()
  })
})
