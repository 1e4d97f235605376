import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'

const OK = { outcome: Outcome.SUCCEEDED }

/** Ends all that lanes hold; how much that was. */
async function endAll(world: World): Promise<number> {
  let ended = 0
  while (world.pool.busy.some(({ held }) => held.length > 0)) {
    for (const lane of world.pool.busy) {
      ended += lane.held.length
      await world.end(lane, OK)
    }
  }
  return ended
}

describe('a launch', () => {
  it('is on the disk itself before it is answered, one that was there before too', async () => {
    const world = new World()
    const source = { range: { from: 0, to: 3, step: 1 } }
    const launch = () => world.runs.launchCompute({ function: 'any', source, options: { idempotencyKey: 'a' } }, '')
    for (const syncs of [1, 2]) {
      await launch()
      expect(world.store.syncs).toBe(syncs)
    }
    const strategies = ['SEQUENTIAL' as const, 'THREADS' as const]
    await world.runs.launchComparison({ batch: { compute: { function: 'any', source } }, strategies, rounds: 1 }, '')
    expect(world.store.syncs).toBe(3)
    await world.leave(0)
  })
})

describe('a disk that cannot be written', () => {
  it('has runs stand still, and they go on when it can', async () => {
    const world = new World()
    const key = await world.compute({ items: 40, options: { strategy: 'THREADS', lanes: 1 }, chunkSize: 2 })
    world.store.trouble = 'FULL'
    const ended = await endAll(world)
    expect(ended).toBeLessThan(40)
    expect(world.runs.storage.trouble?.code).toBe('FULL')
    expect(world.runs.load().storageTrouble?.code).toBe('FULL')
    for (let second = 0; second < 5; second += 1) await world.pass(1_000)
    expect(await endAll(world)).toBe(0)
    expect([world.rows(key), (await world.view(key)).progress.done]).toEqual([[], 0])
    world.store.trouble = null
    for (let second = 0; second < 3; second += 1) await world.pass(1_000)
    expect(world.runs.storage.trouble).toBeNull()
    expect(await endAll(world)).toBe(40 - ended)
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
    expect(world.rows(key)).toHaveLength(40)
    expect(world.store.problems()).toEqual([])
    await world.leave(0)
  })

  it('refuses launches of any kind, and launches nothing later', async () => {
    const world = new World()
    world.store.trouble = 'BUSY'
    const source = { range: { from: 0, to: 3, step: 1 } }
    const batch = { compute: { function: 'any', source } }
    const refusal = { name: 'StorageError', code: 'BUSY' }
    await expect(world.runs.launchCompute({ function: 'any', source }, '')).rejects.toMatchObject(refusal)
    const comparison = { batch, strategies: ['SEQUENTIAL' as const, 'THREADS' as const], rounds: 1 }
    await expect(world.runs.launchComparison(comparison, '')).rejects.toMatchObject(refusal)
    world.store.trouble = null
    await world.pass(1_000)
    expect([world.store.records.size, world.runs.storage.trouble, world.clock.nextDueMs]).toEqual([0, null, null])
    await world.leave(0)
  })

  it('takes nothing new before it is known to be well, were there room for it, and tells of what is there already', async () => {
    const world = new World()
    const source = { range: { from: 0, to: 3, step: 1 } }
    const launch = (idempotencyKey: string) =>
      world.runs.launchCompute({ function: 'any', source, options: { idempotencyKey } }, '')
    const first = await launch('a')
    world.store.trouble = 'FULL'
    const refusal = { name: 'StorageError', code: 'FULL' }
    await expect(launch('b')).rejects.toMatchObject(refusal)
    world.store.trouble = null
    await expect(launch('b')).rejects.toMatchObject(refusal)
    expect(await launch('a')).toMatchObject({ deduplicated: true, run: { record: { key: first.run!.record.key } } })
    await world.pass(1_000)
    expect(await launch('b')).toMatchObject({ deduplicated: false, userErrors: [] })
    await world.leave(0)
  })

  it('has a server that starts take up its runs later', async () => {
    const world = new World()
    const key = await world.compute({ items: 4 })
    world.store.trouble = 'FULL'
    await world.crash({ keepsTrouble: true })
    expect(world.pool.busy).toEqual([])
    expect((await world.view(key)).record.status).toBe('RUNNING')
    await world.pass(3_000)
    expect(world.pool.busy).toEqual([])
    world.store.trouble = null
    await world.pass(1_000)
    await endAll(world)
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
    expect(world.store.problems()).toEqual([])
    await world.leave(0)
  })
})
