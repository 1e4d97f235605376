import { describe, expect, it } from 'vitest'
import { type LaneMeasures, strategyCosts } from '../../../src/domain/strategy-cost.js'
import { StrategyCosts } from '../../../src/engine/strategy-costs.js'
import { World } from '../../support/engine-world.js'

const MEASURES: LaneMeasures = {
  THREAD: { startMs: 50, roundTripUs: 20, memoryMb: 10 },
  PROCESS: { startMs: 100, roundTripUs: 40, memoryMb: 20 },
}

/** Lanes whose measurements end when the test says so. */
class HeldLanes {
  readonly asked: { resolve(measures: LaneMeasures): void; reject(error: Error): void }[] = []

  measure(): Promise<LaneMeasures> {
    return new Promise((resolve, reject) => this.asked.push({ resolve, reject }))
  }
}

describe('StrategyCosts', () => {
  it('measures when it is first asked, and not before', async () => {
    const lanes = new HeldLanes()
    const costs = new StrategyCosts(lanes, 2)
    expect(lanes.asked).toHaveLength(0)
    const asked = costs.get()
    lanes.asked[0]?.resolve(MEASURES)
    expect(await asked).toEqual(strategyCosts(MEASURES, 2))
  })

  it('measures once for all who ask meanwhile, and for all who come later', async () => {
    const lanes = new HeldLanes()
    const costs = new StrategyCosts(lanes, 2)
    const meanwhile = [costs.get(), costs.get(), costs.get()]
    expect(lanes.asked).toHaveLength(1)
    lanes.asked[0]?.resolve(MEASURES)
    const [first, ...others] = await Promise.all(meanwhile)
    for (const other of [...others, await costs.get()]) expect(other).toBe(first)
    expect(lanes.asked).toHaveLength(1)
  })

  it('tells all who wait that it failed, and measures again for the next one', async () => {
    const lanes = new HeldLanes()
    const costs = new StrategyCosts(lanes, 2)
    const meanwhile = Promise.allSettled([costs.get(), costs.get()])
    lanes.asked[0]?.reject(new Error('no memory'))
    expect((await meanwhile).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const again = costs.get()
    expect(lanes.asked).toHaveLength(2)
    lanes.asked[1]?.resolve(MEASURES)
    expect(await again).toEqual(strategyCosts(MEASURES, 2))
    expect(await costs.get()).toBe(await again)
    expect(lanes.asked).toHaveLength(2)
  })

  it('measures again also after lanes that refused at once', async () => {
    let refusals = 2
    const measure = async () => {
      if (refusals-- > 0) throw new Error('the lane pool is closed')
      return MEASURES
    }
    const costs = new StrategyCosts({ measure }, 1)
    await expect(costs.get()).rejects.toThrow('closed')
    await expect(costs.get()).rejects.toThrow('closed')
    expect(await costs.get()).toEqual(strategyCosts(MEASURES, 1))
  })
})

describe('the engine', () => {
  it('asks its lanes once while it lives, and takes none that a run could have', async () => {
    const world = new World()
    const key = await world.compute({ items: 10 })
    const [one, other] = await Promise.all([world.runs.strategyCosts(), world.runs.strategyCosts()])
    expect(one).toBe(other)
    expect(await world.runs.strategyCosts()).toEqual(strategyCosts(await world.pool.measure(), 2))
    // The last one is the test's own.
    expect(world.pool.measured).toBe(2)
    expect(world.pool.busy).toHaveLength(2)
    expect((await world.view(key)).progress.running).toBe(2)
  })
})
