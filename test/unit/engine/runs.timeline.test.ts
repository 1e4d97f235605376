import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'

const GONE = { code: 'LANE_DIED', message: 'gone', retryable: true } as const

async function spansOf(world: World, key: RunKey, maxSpans = 100) {
  const timeline = await world.runs.timeline(await world.view(key), maxSpans)
  return timeline.flatMap(({ spans }) => spans)
}

describe('Runs.timeline', () => {
  it('is of what has ended so far, and grows with the run', async () => {
    const world = new World()
    const key = await world.compute({ items: 3, options: { strategy: 'SEQUENTIAL' } })
    expect(await spansOf(world, key)).toEqual([])
    for (const ended of [1, 2, 3]) {
      await world.pass(10)
      await world.end(world.pool.busy[0], { outcome: Outcome.SUCCEEDED }, 1)
      expect(await spansOf(world, key)).toHaveLength(ended)
    }
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
    const spans = await spansOf(world, key)
    expect(spans.map(({ index, stage, status, tasks }) => ({ index, stage, status, tasks }))).toEqual(
      [0, 1, 2].map((index) => ({ index, stage: 0, status: 'SUCCEEDED', tasks: 1 })),
    )
    expect(await spansOf(world, key, 1)).toMatchObject([{ tasks: 3 }])
  })

  it('shows each attempt, and is the same after a crash', async () => {
    const world = new World()
    const key = await world.compute({
      items: 1,
      options: { strategy: 'SEQUENTIAL', retry: { maxAttempts: 2, backoffMs: 1 } },
    })
    await world.end(world.pool.busy[0], { outcome: Outcome.FAILED, error: GONE })
    expect(await spansOf(world, key)).toEqual([])
    await world.pass(100)
    await world.end(world.pool.busy[0], { outcome: Outcome.SUCCEEDED })
    const spans = await spansOf(world, key)
    expect(spans.map(({ status, tasks }) => [status, tasks])).toEqual([
      ['FAILED', 0],
      ['SUCCEEDED', 1],
    ])
    await world.crash()
    expect(await spansOf(world, key)).toEqual(spans)
  })
})
