import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { Verdict } from '../../support/fake-lanes.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED }

async function endAll(world: World): Promise<void> {
  for (let lanes = world.pool.busy; lanes.length > 0; lanes = world.pool.busy)
    for (const lane of lanes) await world.end(lane, OK)
}

describe('who counts', () => {
  it('is told of launches, ended tasks and ended runs, by kind', async () => {
    const world = new World()
    await world.compute({ items: 10 })
    await world.fetch({ items: 5 })
    await world.pipeline({ items: 3 })
    expect(world.observed.launched).toEqual(['COMPUTE', 'FETCH', 'PIPELINE'])
    await endAll(world)
    const { ended, tasks } = world.observed
    expect(ended.map((end) => end.join(' ')).sort()).toEqual([
      'COMPUTE SUCCEEDED',
      'FETCH SUCCEEDED',
      'PIPELINE SUCCEEDED',
    ])
    expect(tasks).toEqual({ COMPUTE: 16, FETCH: 5 })
  })

  it('is told of the runs of a comparison, those that were never begun among them', async () => {
    const world = new World()
    const batch = { compute: { function: 'any', source: { range: { from: 0, to: 4, step: 1 } } } }
    await world.runs.launchComparison({ batch, strategies: ['THREADS', 'SEQUENTIAL'], rounds: 1 }, '')
    await world.settle()
    expect(world.observed.launched).toEqual(['COMPUTE', 'COMPUTE'])
    expect(world.runs.load().runs).toEqual({ QUEUED: 1, RUNNING: 1, PAUSED: 0 })
    const { key } = [...world.store.records.values()].at(-1)!
    const cancelled = world.runs.cancelRun(key)
    await world.settle()
    expect((await cancelled).userErrors).toEqual([])
    await endAll(world)
    expect(world.observed.ended).toEqual([
      ['COMPUTE', 'CANCELLED'],
      ['COMPUTE', 'SUCCEEDED'],
    ])
    expect(world.runs.load().runs).toEqual({ QUEUED: 0, RUNNING: 0, PAUSED: 0 })
  })

  it('is not told again of what a restart takes up', async () => {
    const world = new World()
    await world.compute({ items: 4 })
    await world.crash()
    await endAll(world)
    expect(world.observed.launched).toEqual(['COMPUTE'])
    expect(world.observed.ended).toEqual([['COMPUTE', 'SUCCEEDED']])
  })
})
