import { beforeEach, describe, expect, it } from 'vitest'
import type { ComparedRun, ComparisonRecord } from '../../../src/domain/comparison.js'
import { Outcome } from '../../../src/domain/results.js'
import type { LaunchComparisonInput } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'

const SUCCEEDED = { outcome: Outcome.SUCCEEDED }
const RANGE = { range: { from: 0, to: 4, step: 1 } }

let world: World
beforeEach(() => {
  world = new World()
})

const batchOf = (options: object = {}) => ({ compute: { function: 'any', source: RANGE, options } })

function launch(changes: Partial<LaunchComparisonInput> = {}) {
  const input = { batch: batchOf(), strategies: ['SEQUENTIAL' as const, 'THREADS' as const], rounds: 1, ...changes }
  return world.runs.launchComparison(input, '')
}

async function launched(changes: Partial<LaunchComparisonInput> = {}): Promise<ComparisonRecord> {
  const { comparison, userErrors } = await launch(changes)
  expect(userErrors).toEqual([])
  await world.settle()
  return comparison!
}

const compared = (comparison: ComparisonRecord): Promise<ComparedRun[]> => world.runs.comparedRuns(comparison)

const statuses = async (comparison: ComparisonRecord) => (await compared(comparison)).map(({ status }) => status)

/** The run of the comparison that is under way. */
const current = async (comparison: ComparisonRecord) =>
  (await compared(comparison)).find(({ status }) => status === 'RUNNING')

/** Ends all that is in service, until the run under way has ended. */
async function endRun(comparison: ComparisonRecord): Promise<void> {
  const run = await current(comparison)
  for (let turn = 0; turn < 20 && (await current(comparison))?.key === run?.key; turn += 1) {
    for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
  }
}

describe('a comparison', () => {
  it('has its runs carried out one after the other, in the order in which they were written down', async () => {
    const comparison = await launched({ rounds: 2 })
    const order = (await compared(comparison)).map(({ key }) => key)
    const seen: string[] = []
    for (let turn = 0; turn < 4; turn += 1) {
      seen.push((await current(comparison))!.key)
      expect((await statuses(comparison)).filter((status) => status === 'RUNNING')).toHaveLength(1)
      await world.look()
      await endRun(comparison)
    }
    expect(seen).toEqual(order)
    expect(await statuses(comparison)).toEqual(Array(4).fill('SUCCEEDED'))
    expect([world.pool.problems, world.store.problems()]).toEqual([[], []])
    for (const { key } of await compared(comparison)) expect(world.rows(key)).toHaveLength(4)
  })

  it('has each strategy once in each round, in an order that is shuffled anew', async () => {
    const draws = [0.99, 0.01, 0.3, 0.6, 0.2, 0.9]
    world = new World({}, () => draws[(draws.push(draws.shift()!) - 1) % draws.length]!)
    const strategies = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'] as const
    const comparison = await launched({ strategies: [...strategies], rounds: 3 })
    const order = (await compared(comparison)).map(({ strategy }) => strategy)
    const rounds = [order.slice(0, 4), order.slice(4, 8), order.slice(8)]
    for (const round of rounds) expect([...round].sort()).toEqual([...strategies].sort())
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(1)
    expect(comparison.strategies).toEqual(strategies)
  })

  it('has the lanes of each run prepared before its first task starts', async () => {
    world.pool.slowPrepares = true
    const comparison = await launched({ strategies: ['PROCESSES'] })
    const works = [{ kind: 'COMPUTE', function: 'any' }]
    expect(world.pool.prepared).toEqual([{ kind: 'PROCESS', count: 2, works }])
    expect([world.pool.acquired, await statuses(comparison)]).toEqual([0, ['QUEUED']])
    world.pool.letPrepare()
    await world.settle()
    expect(world.pool.busy.map(({ kind }) => kind)).toEqual(['PROCESS', 'PROCESS'])
    // They were there: none had to be started for the run.
    expect(world.pool.lanes).toHaveLength(2)
    await endRun(comparison)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED'])
  })

  it('goes on with what lanes there are where they cannot be prepared', async () => {
    world.pool.failPrepares = 1
    const comparison = await launched()
    await endRun(comparison)
    await endRun(comparison)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('waits for the lanes of the others, keeps them out, and leaves them the lanes in between', async () => {
    const other = await world.compute({ items: 100 })
    const held = () => world.pool.busy.length
    expect(held()).toBe(2)
    const comparison = await launched()
    expect(await statuses(comparison)).toEqual(['QUEUED', 'QUEUED'])
    const before = world.rows(other).length
    for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
    expect(await statuses(comparison)).toEqual(['RUNNING', 'QUEUED'])
    const counted = world.rows(other).length
    expect(counted).toBeGreaterThan(before)
    await world.pass(500)
    await endRun(comparison)
    // The other one has what it wants, for as long.
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'QUEUED'])
    expect((await world.view(other)).progress.running).toBe(2)
    expect(world.rows(other)).toHaveLength(counted)
    await world.pass(499)
    for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED, 1)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'QUEUED'])
    await world.pass(2)
    for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'RUNNING'])
    expect((await world.view(other)).progress.running).toBe(0)
    await world.look()
    expect(world.pool.problems).toEqual([])
  })

  it('gives the room of all fetches to the run that is alone', async () => {
    const other = await world.fetch({ items: 50 })
    const source = { template: { template: 'http://a.example/{i}', from: 1, to: 20, step: 1 } }
    const comparison = await launched({ batch: { fetch: { source } }, strategies: ['ASYNC', 'THREADS'] })
    for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
    const run = await current(comparison)
    expect((await world.view(run!.key)).progress.running).toBe(world.limits.maxInFlight)
    expect((await world.view(other)).progress.running).toBe(0)
    await world.pass(300)
    for (let turn = 0; turn < 10 && (await current(comparison)); turn += 1) {
      for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
    }
    expect((await world.view(other)).progress.running).toBe(world.limits.maxInFlight)
    expect(world.pool.prepared.map(({ works }) => works)).toEqual([[{ kind: 'FETCH' }]])
  })

  it('starts no lanes beside a run that is alone', async () => {
    await launched()
    await world.compute({ options: { strategy: 'AUTO' } })
    expect(world.pool.warmed).toEqual([])
  })

  it('has what strategies cost measured after the run that is alone, and before the next', async () => {
    const comparison = await launched()
    let isMeasured = false
    const costs = world.runs.strategyCosts().then(() => {
      isMeasured = true
    })
    await world.settle()
    expect(world.pool.measured).toBe(0)
    world.pool.slowMeasures = true
    await endRun(comparison)
    expect([world.pool.measured, isMeasured, await statuses(comparison)]).toEqual([1, false, ['SUCCEEDED', 'QUEUED']])
    world.pool.letMeasure()
    await costs
    await world.settle()
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'RUNNING'])
    // What is known is told beside it.
    await world.runs.strategyCosts()
    expect(world.pool.measured).toBe(1)
  })

  it('begins no run while what strategies cost is being measured', async () => {
    world.pool.slowMeasures = true
    const costs = world.runs.strategyCosts()
    const comparison = await launched()
    expect([world.pool.prepared, await statuses(comparison)]).toEqual([[], ['QUEUED', 'QUEUED']])
    world.pool.letMeasure()
    await costs
    await world.settle()
    expect(await statuses(comparison)).toEqual(['RUNNING', 'QUEUED'])
  })

  it('lets the server leave with those who wait to have it measured', async () => {
    await launched()
    const costs = expect(world.runs.strategyCosts()).rejects.toThrow('the server is leaving')
    await world.leave(0)
    await costs
    expect(world.pool.measured).toBe(0)
  })

  it('leaves no lane to what is tried for a plan, which then goes by the kind alone', async () => {
    await launched()
    const before = world.pool.acquired
    const batch = { compute: { function: 'any', source: RANGE } }
    const planning = world.runs.planBatch(batch, {
      space: '',
      probing: 'ALLOWED',
      signal: new AbortController().signal,
    })
    await world.settle()
    await world.pass(1_400)
    const { advice } = await planning
    expect(advice).toMatchObject({ strategy: 'THREADS', probe: null })
    expect(advice?.reasons.at(-1)).toBe('No lane was free in 1.4 s: nothing was measured.')
    expect(world.pool.acquired).toBe(before)
  })

  it('tells of the run under way as it is now', async () => {
    const comparison = await launched()
    const [first, second] = await compared(comparison)
    const view = await world.view(first!.key)
    expect(first).toMatchObject({ status: 'RUNNING', sequence: view.progress.sequence, wallMs: null })
    expect(second).toMatchObject({ status: 'QUEUED', concurrency: null })
    await endRun(comparison)
    expect((await compared(comparison))[0]).toMatchObject({ status: 'SUCCEEDED', wallMs: expect.any(Number) })
  })

  it('goes on where one of its ended runs is deleted meanwhile', async () => {
    const comparison = await launched()
    const [first] = await compared(comparison)
    expect((await world.runs.deleteRun(first!.key)).userErrors).toMatchObject([{ code: 'INVALID_STATE' }])
    await endRun(comparison)
    expect((await world.runs.deleteRun(first!.key)).userErrors).toEqual([])
    await endRun(comparison)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED'])
  })
})

describe('several comparisons', () => {
  it('take turns, and the one of higher priority goes before', async () => {
    const first = await launched({ rounds: 2, strategies: ['THREADS'] })
    const second = await launched({ rounds: 2, strategies: ['THREADS'] })
    const high = await launched({ batch: batchOf({ priority: 3 }), strategies: ['THREADS'] })
    const order: string[] = []
    for (let turn = 0; turn < 5; turn += 1) {
      for (const [name, comparison] of Object.entries({ first, second, high })) {
        if (!(await current(comparison))) continue
        order.push(name)
        await world.pass(100)
        await endRun(comparison)
        break
      }
    }
    expect(order).toEqual(['first', 'high', 'second', 'first', 'second'])
    expect(world.pool.problems).toEqual([])
  })
})

describe('launching a comparison', () => {
  it('is refused where the queue is full, counts what waits, and says since when', async () => {
    world = new World({ maxQueuedTasks: 20 })
    await launched({ rounds: 2 })
    expect(world.runs.load()).toMatchObject({ queuedTasks: 15, runningTasks: 1, oldestQueuedMs: 0 })
    await world.pass(700)
    expect(world.runs.load().oldestQueuedMs).toBe(700)
    const { comparison, userErrors } = await launch()
    expect(comparison).toBeNull()
    expect(userErrors).toEqual([
      {
        code: 'QUEUE_FULL',
        message: '15 tasks wait already: with these 8 it would be more than 20',
        field: ['input', 'batch', 'compute', 'source'],
        retryAfterMs: 5000,
      },
    ])
    expect((await launch({ rounds: 3 })).userErrors[0]).toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: null })
    expect(world.store.records.size).toBe(4)
  })

  it('finds the earlier one by its key, also where the queue is full, and refuses another input', async () => {
    world = new World({ maxQueuedTasks: 8 })
    const batch = batchOf({ idempotencyKey: 'k' })
    const first = await launched({ batch })
    expect((await launch({ batch })).comparison).toEqual(first)
    const conflict = { code: 'IDEMPOTENCY_CONFLICT', field: ['input', 'batch', 'compute', 'options', 'idempotencyKey'] }
    for (const changes of [{ name: 'other' }, { strategies: ['THREADS' as const] }, { rounds: 2 }]) {
      expect((await launch({ batch, ...changes })).userErrors).toMatchObject([conflict])
    }
    expect(world.store.records.size).toBe(2)
  })

  it('is launched once where all come at once, though there is room for one alone', async () => {
    world = new World({ maxQueuedTasks: 8 })
    world.store.autoLaunch = false
    const batch = batchOf({ idempotencyKey: 'k' })
    const all = Promise.all(Array.from({ length: 8 }, () => launch({ batch })))
    await world.settle()
    world.store.autoLaunch = true
    world.store.releaseLaunches()
    const outcomes = await all
    expect(outcomes.flatMap(({ userErrors }) => userErrors)).toEqual([])
    expect(new Set(outcomes.map(({ comparison }) => comparison?.key)).size).toBe(1)
    expect(world.store.records.size).toBe(2)
  })

  it('names its runs, and tells of them', async () => {
    const watch = world.bus.watch({ kind: 'allRuns' })
    const labels = [{ name: 'a', value: 'b' }]
    const comparison = await launched({ name: 'which', batch: batchOf({ name: 'batch', labels }) })
    const runs = await compared(comparison)
    expect(await watch.next()).toEqual(new Set(runs.map(({ key }) => key)))
    for (const { key } of runs) expect((await world.view(key)).record.spec).toMatchObject({ name: 'which', labels })
    expect((await launched({ batch: batchOf({ name: 'batch' }) })).name).toBe('batch')
  })
})

describe('a comparison, after a restart', () => {
  it('goes on with the run that was cut off, which it notes, and then with the next', async () => {
    const comparison = await launched({ rounds: 2 })
    await endRun(comparison)
    const [, second] = await compared(comparison)
    expect(await current(comparison)).toMatchObject({ key: second!.key })
    await world.end(world.pool.busy[0], SUCCEEDED, 1)
    await world.crash()
    expect((await current(comparison))?.key).toBe(second!.key)
    expect((await compared(comparison)).map(({ wasInterrupted }) => wasInterrupted)).toEqual([
      false,
      true,
      false,
      false,
    ])
    for (let turn = 0; turn < 3; turn += 1) await endRun(comparison)
    expect(await statuses(comparison)).toEqual(Array(4).fill('SUCCEEDED'))
    expect(world.store.problems()).toEqual([])
    await world.look()
  })

  it('begins where nothing had begun, and takes nothing for cut off', async () => {
    world.pool.slowPrepares = true
    const comparison = await launched()
    await world.crash()
    await endRun(comparison)
    await endRun(comparison)
    expect((await compared(comparison)).map(({ status, wasInterrupted }) => [status, wasInterrupted])).toEqual([
      ['SUCCEEDED', false],
      ['SUCCEEDED', false],
    ])
  })

  it('leaves the rest for the next start, also where lanes are being prepared as the server leaves', async () => {
    world.pool.slowPrepares = true
    const comparison = await launched()
    await world.leave(100, async () => {
      world.pool.letPrepare()
      await world.settle()
      expect(world.pool.busy).toEqual([])
    })
    expect([...world.store.records.values()].map(({ status }) => status)).toEqual(['QUEUED', 'QUEUED'])
    await world.start()
    await endRun(comparison)
    await endRun(comparison)
    expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  })

  it('takes up several, each where it was, and other runs beside them', async () => {
    const [first, second] = [await launched(), await launched()]
    const other = await world.compute({ items: 3 })
    await world.crash()
    for (let turn = 0; turn < 40; turn += 1) {
      for (const lane of [...world.pool.busy]) await world.end(lane, SUCCEEDED)
      await world.pass(100)
    }
    for (const comparison of [first, second]) expect(await statuses(comparison)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    expect((await world.view(other)).record.status).toBe('SUCCEEDED')
    expect([world.pool.problems, world.store.problems()]).toEqual([[], []])
  })

  it('tries again a second later where a run cannot be begun, and leaves the lanes to others meanwhile', async () => {
    world.store.failEnded = 1
    const comparison = await launched()
    expect(await statuses(comparison)).toEqual(['QUEUED', 'QUEUED'])
    const other = await world.compute({ items: 1 })
    expect((await world.view(other)).record.status).toBe('RUNNING')
    await world.end(world.pool.busy[0], SUCCEEDED)
    await world.pass(1000)
    expect(await statuses(comparison)).toEqual(['RUNNING', 'QUEUED'])
  })
})
