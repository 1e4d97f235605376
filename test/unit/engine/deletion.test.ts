import { beforeEach, describe, expect, it } from 'vitest'
import { type RunKey, runId, toRunKey } from '../../../src/domain/ids.js'
import { Deletions } from '../../../src/engine/deletion.js'
import type { RunView } from '../../../src/engine/engine.js'
import { MemoryEventBus } from '../../../src/events/memory.js'
import type { DeletedRun, Leftover } from '../../../src/store/store.js'
import { ManualClock } from '../../support/clock.js'
import { FakeRuns } from '../../support/fake-runs.js'

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A store whose steps a test lets go one by one. */
class SteppedStore {
  readonly left = new Map<number, Leftover[]>()
  readonly steps: number[] = []
  deletes = true
  failures = 0
  hold = false
  #held: (() => void)[] = []

  deleteRun = async (id: number) => {
    if (this.deletes) this.left.set(id, ['FILES', 'FILES', 'ROWS', 'ROWS'])
    return this.deletes
  }

  deletedRuns = async () => [...this.left.keys()]

  /** Runs that have ended, by batches that go at a time. */
  finished: DeletedRun[][] = []
  readonly asked: Date[] = []

  deleteFinished = async (before: Date) => {
    this.asked.push(before)
    const batch = this.finished.shift() ?? []
    for (const { id } of batch) this.left.set(id, ['FILES', 'FILES', 'ROWS', 'ROWS'])
    return batch
  }

  /** Comes to two at a time. */
  purgeRuns = async (ids: readonly number[]) => {
    const steps: (Leftover | null)[] = []
    for (const id of ids.slice(0, 2)) steps.push(await this.#purge(id))
    return steps
  }

  async #purge(id: number): Promise<Leftover | null> {
    if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve))
    if (this.failures > 0) {
      this.failures -= 1
      throw new Error('the disk cannot be written')
    }
    this.steps.push(id)
    const left = this.left.get(id)
    left?.shift()
    if (left?.[0]) return left[0]
    this.left.delete(id)
    return null
  }

  async release(): Promise<void> {
    for (const resolve of this.#held.splice(0)) resolve()
    await settle()
  }
}

let store: SteppedStore
let clock: ManualClock
let bus: MemoryEventBus
let runs: FakeRuns
let errors: unknown[]
let forgotten: number[]
let deletions: Deletions

beforeEach(() => {
  store = new SteppedStore()
  clock = new ManualClock()
  bus = new MemoryEventBus()
  runs = new FakeRuns()
  errors = []
  forgotten = []
  const onDeleted = (id: number) => forgotten.push(id)
  deletions = new Deletions({ store, bus, clock, onDeleted, onError: (error) => errors.push(error) })
})

async function ended(): Promise<{ key: RunKey; view: RunView }> {
  const { key } = runs.add()
  runs.finish(key, 'PARTIAL')
  return { key, view: (await runs.engine.run(key))! }
}

describe('Deletions', () => {
  it('answers when the bodies are gone, has told by then, and goes on with the rows', async () => {
    const { key, view } = await ended()
    const watch = bus.watch({ kind: 'run', run: key })
    expect(await deletions.delete(key, view)).toEqual({ deletedRun: key, userErrors: [] })
    expect(await watch.next()).toEqual(new Set([key]))
    expect(store.left.get(1)).not.toContain('FILES')
    expect(forgotten).toEqual([1])
    for (let step = 0; step < 5; step += 1) {
      await settle()
      clock.advance(1)
    }
    await settle()
    expect(store.left.size).toBe(0)
  })

  it('refuses what is not there and what has not ended, each at the id', async () => {
    const key = toRunKey('f'.repeat(32))
    expect(await deletions.delete(key, null)).toEqual({
      deletedRun: null,
      userErrors: [
        {
          code: 'NOT_FOUND',
          message: `there is no run with the id "${runId(key)}"`,
          field: ['id'],
          retryAfterMs: null,
        },
      ],
    })
    for (const status of ['QUEUED', 'RUNNING', 'PAUSED'] as const) {
      const { key: going } = runs.add({ status })
      expect(await deletions.delete(going, await runs.engine.run(going))).toMatchObject({
        deletedRun: null,
        userErrors: [{ code: 'INVALID_STATE', message: expect.stringContaining(`the run is ${status}: expected`) }],
      })
    }
    expect(store.left.size).toBe(0)
  })

  it('tells whoever comes second that the run is not there', async () => {
    const { key, view } = await ended()
    store.deletes = false
    expect(await deletions.delete(key, view)).toMatchObject({ userErrors: [{ code: 'NOT_FOUND', field: ['id'] }] })
    expect({ steps: store.steps, forgotten }).toEqual({ steps: [], forgotten: [] })
  })

  it('takes up what the end of the server cut off, and waits for none of it', async () => {
    store.left.set(3, ['FILES', 'ROWS', 'ROWS'])
    store.left.set(5, ['ROWS'])
    store.hold = true
    await deletions.resume()
    for (let step = 0; step < 8; step += 1) {
      await store.release()
      clock.advance(1)
      await settle()
    }
    expect(store.steps.toSorted()).toEqual([3, 3, 3, 5])
    expect(store.left.size).toBe(0)
  })

  it('rests after each step as long as the step took', async () => {
    store.left.set(3, ['ROWS', 'ROWS'])
    store.hold = true
    await deletions.resume()
    await settle()
    clock.advance(40)
    await store.release()
    expect(store.steps).toEqual([3])
    clock.advance(39)
    await settle()
    await store.release()
    expect(store.steps).toEqual([3])
    clock.advance(1)
    await settle()
    await store.release()
    expect(store.steps).toEqual([3, 3])
  })

  it('tries again what failed, a second later', async () => {
    const { key, view } = await ended()
    store.failures = 2
    await expect(deletions.delete(key, view)).rejects.toThrow('the disk cannot be written')
    await settle()
    expect(errors).toHaveLength(1)
    clock.advance(999)
    await settle()
    expect(store.steps).toEqual([])
    for (let step = 0; step < 6; step += 1) {
      clock.advance(1)
      await settle()
    }
    expect(store.left.size).toBe(0)
    expect(errors).toHaveLength(1)
  })

  it('stops after the step that is under way, and answers who waits', async () => {
    const { key, view } = await ended()
    store.hold = true
    const answer = deletions.delete(key, view)
    await settle()
    let stopped = false
    const stopping = deletions.stop().then(() => {
      stopped = true
    })
    await settle()
    expect(stopped).toBe(false)
    await store.release()
    await stopping
    expect(await answer).toEqual({ deletedRun: key, userErrors: [] })
    clock.advance(10_000)
    await settle()
    expect(store.steps).toEqual([1])
  })

  describe('prune', () => {
    const runsOf = (...ids: number[]) => ids.map((id) => ({ id, key: runs.add().key }))
    const before = new Date(5)

    it('deletes a batch after the other, tells of each run, and answers with how many when their bodies are gone', async () => {
      store.finished = [runsOf(1, 2, 3), runsOf(4)]
      const told = bus.watch({ kind: 'allRuns' })
      const pruning = deletions.prune(before)
      for (let step = 0; step < 12; step += 1) {
        await settle()
        clock.advance(1)
      }
      expect(await pruning).toBe(4)
      expect(store.asked).toEqual([before, before, before])
      expect(forgotten).toEqual([1, 2, 3, 4])
      expect((await told.next())?.size).toBe(4)
      for (const left of store.left.values()) expect(left).not.toContain('FILES')
      for (let step = 0; step < 20; step += 1) {
        clock.advance(1)
        await settle()
      }
      expect(store.left.size).toBe(0)
    })

    it('rests after each batch as long as it took', async () => {
      store.finished = [runsOf(1), runsOf(2)]
      store.hold = true
      void deletions.prune(before)
      await settle()
      clock.advance(40)
      // Until its files are gone.
      await store.release()
      await store.release()
      expect(store.asked).toHaveLength(1)
      clock.advance(39)
      await store.release()
      expect(store.asked).toHaveLength(1)
      clock.advance(1)
      await settle()
      expect(store.asked).toHaveLength(2)
    })

    it('leaves the rest where the server leaves, and answers with what it has deleted', async () => {
      store.finished = [runsOf(1), runsOf(2)]
      store.hold = true
      const pruning = deletions.prune(before)
      await settle()
      const stopping = deletions.stop()
      await store.release()
      await stopping
      expect(await pruning).toBe(1)
      expect(store.asked).toHaveLength(1)
      expect(clock.nextDueMs).toBeNull()
    })

    it('rejects with a fault, and goes on with what was deleted', async () => {
      store.finished = [runsOf(1)]
      store.failures = 1
      await expect(deletions.prune(before)).rejects.toThrow('the disk cannot be written')
      for (let step = 0; step < 8; step += 1) {
        await settle()
        clock.advance(1)
      }
      expect(store.left.size).toBe(0)
    })
  })
})
