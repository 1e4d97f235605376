import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import { isFinalRunStatus } from '../../../src/domain/run.js'
import { FLOW } from '../../../src/engine/flow.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'

const NAMES = ['first', 'second', 'third']
const BROKEN = { code: 'FUNCTION_ERROR' as const, message: 'no', retryable: false }
const AGAIN = { ...BROKEN, retryable: true }

/** What the stage before has done is in the input: each adds its name. */
function doubled(input: unknown): Verdict {
  return { outcome: Outcome.SUCCEEDED, output: JSON.stringify({ after: input ?? 'source' }), serviceMs: 2 }
}

class Pipelines extends World {
  constructor(limits = {}) {
    super(limits)
    for (const name of NAMES) this.functions.add(name)
  }

  launch(stages: number, items: number, options = {}): Promise<RunKey> {
    return this.pipeline({ functions: NAMES.slice(0, stages), items, options })
  }

  /** Lanes that work for the stage of this function. */
  lanesOf(name: string): FakeLane[] {
    return this.pool.busy.filter(({ job }) => job?.work.kind === 'COMPUTE' && job.work.function === name)
  }

  heldOf(name: string): number[] {
    return this.lanesOf(name).flatMap(({ held }) => held.map(({ index }) => index))
  }

  /** Ends all that the stage's lanes hold now. */
  async endAll(name: string, verdict?: (index: number) => Verdict): Promise<number> {
    let ended = 0
    for (const lane of this.lanesOf(name)) {
      const places = [...lane.held.keys()]
      ended += places.length
      lane.end(places, (held) => verdict?.(held.index) ?? doubled(held.input && JSON.parse(String(held.input))))
    }
    await this.settle()
    return ended
  }

  async endEverything(key: RunKey): Promise<void> {
    for (let rounds = 0; rounds < 5_000; rounds += 1) {
      let ended = 0
      for (const name of NAMES) ended += await this.endAll(name)
      if (isFinalRunStatus((await this.view(key)).record.status)) return
      if (ended === 0) await this.pass(1_000)
    }
    throw new Error('the run does not come to its end')
  }

  rowsOf(key: RunKey, stage: number) {
    return this.rows(key).filter((row) => row.stage === stage)
  }

  async stageCounts(key: RunKey) {
    return (await this.view(key)).stages.map(({ succeeded, failed, skipped, queued, running }) => ({
      succeeded,
      failed,
      skipped,
      queued,
      running,
    }))
  }
}

describe('a pipeline', () => {
  it('takes an item to the next stage as soon as it has left the one before, with its output', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 10)
    expect(world.heldOf('second')).toEqual([])
    const [lane] = world.lanesOf('first')
    const { index } = lane!.held[0]!
    await world.end(lane, { outcome: Outcome.SUCCEEDED, output: '{"x":7}' }, 1)
    const [next] = world.lanesOf('second')
    expect(next?.held.map((held) => [held.index, held.input])).toEqual([[index, '{"x":7}']])
    expect(next?.job).toMatchObject({ source: null, takesOver: true, handsOver: null })
    expect(lane?.job).toMatchObject({ takesOver: false, handsOver: { to: 'COMPUTE', from: '', givesDetail: false } })
    await world.endEverything(key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { total: 20, succeeded: 20 } })
  })

  it('tells what each stage does, in progress and in figures', async () => {
    const world = new Pipelines()
    const key = await world.launch(3, 4)
    await world.endAll('first')
    await world.endAll('second')
    const view = await world.view(key)
    expect(view.progress.total).toBe(12)
    expect(view.stages.map(({ total }) => total)).toEqual([4, 4, 4])
    const sum = (field: 'succeeded' | 'running' | 'queued') => view.stages.reduce((all, one) => all + one[field], 0)
    for (const field of ['succeeded', 'running', 'queued'] as const) expect(view.progress[field]).toBe(sum(field))
    await world.endEverything(key)
    const { stages, times } = world.record(key)
    expect(stages?.map((stage) => stage.times.service.count)).toEqual([4, 4, 4])
    expect(times.service.count).toBe(12)
    expect(stages?.map(({ effectiveStrategy, lanes, concurrency }) => [effectiveStrategy, lanes, concurrency])).toEqual(
      Array(3).fill(['THREADS', 2, 2]),
    )
    // The server has four.
    expect(world.record(key)).toMatchObject({ effectiveStrategy: 'THREADS', lanes: 4, concurrency: 6 })
    const second = await world.runs.distribution(await world.view(key), 1, 'serviceMs')
    expect([second.moments.count, second.percentile(1)]).toEqual([4, 2])
  })

  it('takes no lanes for a stage under AUTO that others have more use for', async () => {
    const world = new Pipelines()
    const short: Verdict = { outcome: Outcome.SUCCEEDED, output: '1', serviceMs: 0.3 }
    const alone = await world.compute({ function: 'first', items: 200, options: { strategy: 'AUTO' } })
    await world.end(world.lanesOf('first')[0], short, 20)
    expect(world.record(alone).effectiveStrategy).toBe('THREADS')
    await world.endEverything(alone)
    const key = await world.launch(2, 200, { strategy: 'AUTO' })
    await world.end(world.lanesOf('first')[0], short, 20)
    // To start one takes longer than it would save.
    expect(world.record(key).stages?.[0]).toMatchObject({ effectiveStrategy: 'SEQUENTIAL', lanes: 1 })
    await world.end(world.lanesOf('second')[0], { ...short, serviceMs: 30 }, 1)
    expect(world.record(key).stages?.[1]).toMatchObject({ effectiveStrategy: 'THREADS', lanes: 2 })
  })

  it('tells of as many running tasks as its stages do, also while a new plan is on its way to the disk', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 10, { strategy: 'AUTO' })
    world.store.autoCommit = false
    await world.end(world.lanesOf('first')[0], { outcome: Outcome.SUCCEEDED, output: '1', serviceMs: 100 }, 1)
    expect(world.lanesOf('first')).toHaveLength(2)
    const running = async () => {
      const { progress, stages } = await world.view(key)
      expect(progress.running).toBe(stages.reduce((sum, stage) => sum + stage.running, 0))
      return stages.map((stage) => stage.running)
    }
    expect(await running()).toEqual([1, 1])
    world.store.autoCommit = true
    world.store.release()
    await world.settle()
    expect(await running()).toEqual([2, 1])
  })

  it('tells its end by the stage that takes the longest, as soon as that can be told', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 100)
    for (let idle = 0; idle < 3; ) idle = (await world.endAll('first')) === 0 ? idle + 1 : 0
    expect((await world.view(key)).progress.etaMs).toBeNull()
    await world.pass(1_000)
    await world.end(world.lanesOf('second')[0], { outcome: Outcome.SUCCEEDED, output: '1', serviceMs: 1_000 }, 1)
    const { progress, stages } = await world.view(key)
    expect(stages.map(({ etaMs }) => etaMs)).toEqual([0, 99_000])
    expect(progress).toMatchObject({ etaMs: 99_000, etaHighMs: stages[1]!.etaHighMs })
  })

  it('measures the wait from the end of the stage before', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 1)
    await world.pass(500)
    const [lane] = world.lanesOf('first')
    lane!.end([0], () => ({ outcome: Outcome.SUCCEEDED, output: '1', serviceMs: 500 }))
    await world.settle()
    await world.endAll('second')
    expect(world.rowsOf(key, 1).map(({ queueWaitMs }) => queueWaitMs)).toEqual([0])
  })

  it('skips in later stages what has failed, and judges items, not tasks', async () => {
    const world = new Pipelines()
    const key = await world.launch(3, 4)
    await world.endAll('first', (index) =>
      index % 2 === 0 ? { outcome: Outcome.FAILED, error: BROKEN } : { outcome: Outcome.SUCCEEDED, output: '1' },
    )
    await world.endAll('first', () => ({ outcome: Outcome.SUCCEEDED, output: '1' }))
    const [, second, third] = await world.stageCounts(key)
    expect([second?.skipped, third?.skipped]).toEqual([1, 1])
    await world.endEverything(key)
    const { status, counts } = world.record(key)
    expect([status, counts]).toEqual([
      'PARTIAL',
      { total: 12, succeeded: 9, failed: 1, cancelled: 0, skipped: 2, bytes: 0 },
    ])
    expect(
      world
        .rows(key)
        .filter(({ index }) => index === 0)
        .map(({ stage }) => stage),
    ).toEqual([0])
  })

  it('has failed where no item came through, though most tasks succeeded', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 2)
    await world.endAll('first')
    await world.endAll('second', () => ({ outcome: Outcome.FAILED, error: BROKEN }))
    expect(world.record(key)).toMatchObject({ status: 'FAILED', failure: null, counts: { succeeded: 2, failed: 2 } })
  })

  it('ends at the first failure with failFast, whatever the stage', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 10, { failFast: true })
    await world.end(world.lanesOf('first')[0], { outcome: Outcome.SUCCEEDED, output: '1' }, 1)
    await world.end(world.lanesOf('second')[0], { outcome: Outcome.FAILED, error: BROKEN }, 1)
    for (const lane of world.pool.busy) {
      expect(lane.cancelled).toBe(true)
      lane.end([...lane.held.keys()], () => ({ outcome: Outcome.CANCELLED }))
    }
    await world.settle()
    const { status, counts } = world.record(key)
    expect(status).toBe('FAILED')
    expect(counts).toMatchObject({ total: 20, succeeded: 1, failed: 1 })
    expect(counts.succeeded + counts.failed + counts.cancelled + counts.skipped).toBe(20)
    expect(world.store.problems()).toEqual([])
  })

  it('tries again in its own stage, with the same input', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 1)
    await world.end(world.lanesOf('first')[0], { outcome: Outcome.SUCCEEDED, output: '"kept"' }, 1)
    await world.end(world.lanesOf('second')[0], { outcome: Outcome.FAILED, error: AGAIN }, 1)
    expect(world.heldOf('second')).toEqual([])
    await world.pass(200)
    expect(world.lanesOf('second')[0]?.held).toMatchObject([{ index: 0, attempt: 2, input: '"kept"' }])
    await world.endEverything(key)
    expect(world.rowsOf(key, 1)).toMatchObject([{ status: 'SUCCEEDED', attempts: 2, history: [1, 2] }])
    expect(world.rowsOf(key, 0)).toMatchObject([{ attempts: 1 }])
  })

  it('keeps the pace of its slowest stage: no more is done ahead than there is room for', async () => {
    const world = new Pipelines()
    const items = 3 * FLOW.items
    const key = await world.launch(2, items)
    for (let idle = 0; idle < 3; ) idle = (await world.endAll('first')) === 0 ? idle + 1 : 0
    const [first, second] = await world.stageCounts(key)
    expect(first!.succeeded).toBe(FLOW.items)
    expect(first!.running).toBe(0)
    expect(second).toMatchObject({ succeeded: 0 })
    // The lanes of what stands still are not held.
    expect(world.lanesOf('first')).toEqual([])
    while ((await world.stageCounts(key))[1]!.succeeded < FLOW.items / 2) await world.endAll('second')
    expect(world.heldOf('first').length).toBeGreaterThan(0)
    await world.endEverything(key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 2 * items } })
    expect(world.store.problems()).toEqual([])
  })

  it('has in service as many as it may, however long what they give is', async () => {
    const world = new Pipelines()
    const stages = [{ fetch: { fetch: { bodyPolicy: 'TEXT' as const } } }, { compute: { function: 'second' } }]
    const source = { template: { template: 'http://a.example/{i}', from: 1, to: 100, step: 1 } }
    const key = await world.pipeline({ source, stages, options: { concurrency: 8 } })
    const fetching = () => world.pool.busy.find(({ job }) => job?.work.kind === 'FETCH')
    await world.end(fetching(), { outcome: Outcome.SUCCEEDED, output: `"${'x'.repeat(1_000_000)}"` }, 2)
    expect((await world.stageCounts(key))[0]).toMatchObject({ succeeded: 2, running: 8 })
  })

  it('takes back what it has handed out ahead when that turns out to be too much', async () => {
    const world = new Pipelines({ maxLanes: 2, defaultLanes: 1 })
    await world.launch(2, 1_000)
    const lane = () => world.lanesOf('first')[0]!
    while (lane().held.length < 20)
      await world.end(lane(), { outcome: Outcome.SUCCEEDED, output: '1', serviceMs: 0.001 }, 4)
    lane().recalled = false
    await world.end(lane(), { outcome: Outcome.SUCCEEDED, output: `"${'x'.repeat(5_000_000)}"` }, 1)
    expect(lane().recalled).toBe(true)
    const { length } = lane().held
    await world.end(lane(), { outcome: Outcome.NOT_STARTED }, length - 1)
    expect(lane().held).toHaveLength(1)
  })

  it('goes on after a crash where each item was', async () => {
    const world = new Pipelines()
    const key = await world.launch(3, 6)
    await world.endAll('first')
    await world.endAll('first')
    await world.endAll('second')
    await world.crash()
    const before = world.rows(key).map(({ stage, index }) => `${stage} ${index}`)
    const inputs = world.lanesOf('second').flatMap(({ held }) => held.map(({ input }) => input))
    expect(inputs.every((input) => input === '{"after":"source"}')).toBe(true)
    await world.endEverything(key)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 18 } })
    expect(
      world
        .rows(key)
        .slice(0, before.length)
        .map(({ stage, index }) => `${stage} ${index}`),
    ).toEqual(before)
    expect(world.store.problems()).toEqual([])
  })

  it('reads again what it had handed over and a lane gave back after a restart', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 2, { strategy: 'SEQUENTIAL' })
    await world.endAll('first')
    await world.crash()
    world.store.failReads = 1
    for (let pass = 0; pass < 4 && world.heldOf('second').length === 0; pass += 1) await world.pass(500)
    expect(world.heldOf('second').length).toBeGreaterThan(0)
    await world.endEverything(key)
    expect(world.record(key).status).toBe('SUCCEEDED')
  })

  it('gives up what it cannot do any more after a restart: a later function is gone', async () => {
    const world = new Pipelines()
    const key = await world.launch(2, 2)
    await world.endAll('first')
    world.functions.delete('second')
    await world.crash()
    const { status, failure, counts } = world.record(key)
    expect([status, failure?.code]).toEqual(['FAILED', 'FUNCTION_ERROR'])
    expect(counts.skipped).toBe(counts.total - counts.succeeded)
  })

  it('takes turns where there is a single lane for all stages', async () => {
    const world = new Pipelines({ maxLanes: 1, defaultLanes: 1 })
    const key = await world.launch(3, 5)
    for (let rounds = 0; rounds < 200 && world.record(key).finishedAt === null; rounds += 1) {
      for (const name of NAMES) await world.endAll(name)
      await world.pass(100)
      expect(world.pool.busy.length).toBeLessThanOrEqual(1)
    }
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 15 } })
  })

  it('counts every task once, whatever ends, fails, dies or crashes in whichever order', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('end' as const), stage: fc.nat(2), fails: fc.boolean(), again: fc.boolean() }),
      fc.record({ kind: fc.constant('die' as const), stage: fc.nat(2), fails: fc.boolean(), again: fc.boolean() }),
      fc.record({
        kind: fc.constantFrom('crash' as const, 'pass' as const),
        stage: fc.nat(2),
        fails: fc.boolean(),
        again: fc.boolean(),
      }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 14 }),
        async (stages, items, steps) => {
          const world = new Pipelines()
          const key = await world.launch(stages, items)
          for (const { kind, stage, fails, again } of steps) {
            const lane = world.lanesOf(NAMES[stage]!)[0]
            const error = again ? AGAIN : BROKEN
            const verdict: Verdict = fails
              ? { outcome: Outcome.FAILED, error }
              : { outcome: Outcome.SUCCEEDED, output: '1' }
            if (kind === 'end') await world.end(lane, verdict, 1)
            else if (kind === 'die') lane?.die({ code: 'LANE_DIED', message: 'gone', retryable: true })
            else if (kind === 'crash') await world.crash()
            else await world.pass(10_000)
            await world.settle()
            await world.look()
            expect(world.store.problems()).toEqual([])
          }
          await world.endEverything(key)
          const { counts, stages: states } = world.record(key)
          expect(world.store.problems()).toEqual([])
          expect(counts.total).toBe(stages * items)
          for (let stage = 0; stage < stages; stage += 1) {
            const rows = world.rowsOf(key, stage)
            const came =
              stage === 0 ? items : world.rowsOf(key, stage - 1).filter(({ status }) => status === 'SUCCEEDED').length
            expect(rows.length).toBe(came)
            expect(states?.[stage]?.counts).toMatchObject({ total: items, skipped: items - came })
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
