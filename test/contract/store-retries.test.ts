/** What every store promises of retries, and of taking many runs away; see src/store/store.ts. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { BatchSpec } from '../../src/domain/batch.js'
import { toComparisonKey } from '../../src/domain/ids.js'
import { noCounts, type RunRecord, type RunState } from '../../src/domain/run.js'
import type { NewRetry, Store } from '../../src/store/store.js'
import { allBut, membersOf, setOf } from '../support/index-sets.js'
import { block, commitOf, listOf, newRun, purgeStep, type ReportedTask, RUN_STARTED_AT } from '../support/store.js'
import { memoryStore, stores, useStore } from '../support/store-subject.js'

const FAILURE = { code: 'TIMEOUT', message: 'late', retryable: true } as const
const COMPUTE = newRun().spec.stages[0]!

function retryOf(run: RunRecord, repeated: readonly number[], changes: Partial<NewRetry> = {}): NewRetry {
  const { spec } = run
  const leftOut = allBut(spec.source.count, repeated)
  return { key: newRun().key, of: run.id, spec, leftOut, createdAt: new Date('2026-11-29T06:00:00.123Z'), ...changes }
}

describe.each([...stores, memoryStore])('store %s', (_name, create) => {
  const { current, reopen, launch } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  let sequence = 1
  /** Ends a run with these tasks; `finishedMs` after the start. */
  async function end(
    run: RunRecord,
    tasks: readonly (ReportedTask & { stage?: number })[] = [],
    { finishedMs = 200, ...changes }: Partial<RunState> & { finishedMs?: number } = {},
  ): Promise<void> {
    const stages = [...new Set(tasks.map(({ stage = 0 }) => stage))]
    const rowsOf = (stage: number) => tasks.filter((task) => (task.stage ?? 0) === stage)
    let firstSequence = 1
    const blocks = stages.map((stage) => {
      const made = block(rowsOf(stage), { stage, firstSequence })
      firstSequence += rowsOf(stage).length
      return made
    })
    const countsOf = (rows: readonly ReportedTask[]) => ({
      ...noCounts(run.counts.total / run.spec.stages.length),
      succeeded: rows.filter(({ outcome = 0 }) => outcome === 0).length,
      failed: rows.filter(({ outcome }) => outcome === 1).length,
      cancelled: rows.filter(({ outcome }) => outcome === 2).length,
    })
    sequence += 1
    const state: Partial<RunState> = {
      status: 'PARTIAL',
      sequence,
      lastTaskSequence: tasks.length,
      counts: { ...countsOf(tasks), total: run.counts.total },
      stages: run.stages?.map((stage, at) => ({ ...stage, counts: countsOf(rowsOf(at)) })) ?? null,
      startedAt: new Date(RUN_STARTED_AT),
      finishedAt: new Date(RUN_STARTED_AT + finishedMs),
      ...changes,
    }
    await store.commit([commitOf(run, blocks, state)])
  }

  const succeeded = (index: number, stage = 0) => ({ index, stage })
  const failed = (index: number, stage = 0) => ({ index, stage, outcome: 1, error: FAILURE })
  const cancelled = (index: number, stage = 0) => ({ index, stage, outcome: 2 })

  async function remove(run: RunRecord): Promise<void> {
    expect(await store.deleteRun(run.id)).toBe(true)
    while ((await purgeStep(store, run.id)) !== null);
  }

  describe('createRetry', () => {
    it('writes a run down that is about the items that it repeats', async () => {
      const run = await launch()
      await end(run)
      const launched = retryOf(run, [3, 64, 99])
      const retry = await store.createRetry(launched)
      expect(retry).toMatchObject({
        key: launched.key,
        retryOf: run.id,
        comparisonId: null,
        spec: run.spec,
        status: 'QUEUED',
        createdAt: launched.createdAt,
        startedAt: null,
        finishedAt: null,
        counts: noCounts(3),
        stages: null,
        lastTaskSequence: 0,
      })
      expect(retry!.id).toBeGreaterThan(run.id)
      expect(await store.run(launched.key)).toEqual(retry)
      const again = await reopen()
      expect(await again.run(launched.key)).toEqual(retry)
      expect((await again.run(run.key))?.retryOf).toBeNull()
      expect(membersOf((await again.leftOut(retry!.id, 100))!.complement())).toEqual([3, 64, 99])
    })

    it('counts what is repeated in every stage', async () => {
      const run = await launch({ spec: { kind: 'PIPELINE', stages: [COMPUTE, COMPUTE, COMPUTE] } })
      await end(run)
      const retry = await store.createRetry(retryOf(run, [0, 1]))
      expect(retry!.counts.total).toBe(6)
      expect(retry!.stages!.map(({ counts }) => counts.total)).toEqual([2, 2, 2])
    })

    it('keeps nothing beside where all items are repeated, and knows of no selection of other runs', async () => {
      const run = await launch()
      await end(run)
      const retry = await store.createRetry(retryOf(run, [...Array(100).keys()]))
      expect(retry!.counts.total).toBe(100)
      expect([await store.leftOut(retry!.id, 100), await store.leftOut(run.id, 100)]).toEqual([null, null])
    })

    it('gives it the items of a list, also when the first run is gone', async () => {
      const items = Array.from({ length: 3_500 }, (_, at) => ({ n: at }))
      const { run } = await store.createRun(listOf(items))
      await end(run)
      const repeated = [0, 999, 2_500, 3_499]
      const retry = (await store.createRetry(retryOf(run, repeated)))!
      const again = (await store.createRetry(retryOf(retry, [2_500], { of: retry.id })))!
      await remove(run)
      expect(await store.items(retry.id, repeated)).toEqual(new Map(repeated.map((index) => [index, items[index]])))
      expect(await store.items(again.id, [2_500])).toEqual(new Map([[2_500, items[2_500]]]))
    })

    it('gives it the items that a comparison shares', async () => {
      const items = Array.from({ length: 1_200 }, (_, at) => at)
      const { key, spec } = listOf(items)
      const created = await store.createComparison({
        key: toComparisonKey('d'.repeat(32)),
        name: null,
        strategies: ['THREADS'],
        rounds: 1,
        createdAt: new Date(0),
        runs: [{ key, spec }],
        items,
        file: null,
        idempotency: null,
      })
      if (created.outcome !== 'created') throw new Error('expected a new comparison')
      const [run] = created.runs
      await end(run!)
      const retry = (await store.createRetry(retryOf(run!, [7, 1_100])))!
      expect(retry.comparisonId).toBeNull()
      await remove(run!)
      expect(await store.items(retry.id, [7, 1_100])).toEqual(
        new Map([
          [7, 7],
          [1_100, 1_100],
        ]),
      )
    })

    it('gives it the file of a file source', async () => {
      const spec: Partial<BatchSpec> = {
        source: { kind: 'file', form: 'inputs', name: null, bytes: 6, sha256: 'ab', count: 3 },
      }
      const run = await launch({ spec, file: { file: 'a.lines', stretches: Float64Array.of(1, 2, 3) } })
      await end(run)
      const retry = (await store.createRetry(retryOf(run, [1])))!
      expect(await store.sourceFile(retry.id)).toEqual(await store.sourceFile(run.id))
      const file = await store.sourceFile(run.id)
      await remove(run)
      expect(await store.sourceFile(retry.id)).toEqual(file)
    })

    it('writes nothing where the run is not there any more', async () => {
      const run = await launch()
      await end(run)
      expect(await store.deleteRun(run.id)).toBe(true)
      expect(await store.createRetry(retryOf(run, [1]))).toBeNull()
      expect(await store.countRuns({})).toBe(0)
    })
  })

  describe('settledItems', () => {
    const settled = async (run: RunRecord) => membersOf(await store.settledItems(run.id, run.spec.source.count))
    const tenItems = { source: { kind: 'range', from: 0, to: 10, step: 1, count: 10 } } as const

    it('are those that succeeded, where all others have failed', async () => {
      const run = await launch({ spec: tenItems })
      await end(run, [
        ...[0, 1, 2, 4, 6, 7].map((index) => succeeded(index)),
        ...[3, 5, 9].map((index) => failed(index)),
        cancelled(8),
      ])
      expect(await settled(run)).toEqual([0, 1, 2, 4, 6, 7])
    })

    it('are those that succeeded, where others were never begun', async () => {
      const run = await launch({ spec: tenItems })
      await end(run, [succeeded(9), failed(0), succeeded(3)])
      expect(await settled(run)).toEqual([3, 9])
      const untouched = await launch({ spec: tenItems })
      await end(untouched)
      expect(await settled(untouched)).toEqual([])
    })

    it('are those that went through every stage of a pipeline', async () => {
      const spec = { ...tenItems, kind: 'PIPELINE' as const, stages: [COMPUTE, COMPUTE] }
      const complete = await launch({ spec })
      await end(complete, [
        ...[0, 1, 2, 3, 4, 5, 6, 7].map((index) => succeeded(index)),
        failed(8),
        failed(9),
        ...[0, 1, 2, 3, 4].map((index) => succeeded(index, 1)),
        ...[5, 6, 7].map((index) => failed(index, 1)),
      ])
      expect(await settled(complete)).toEqual([0, 1, 2, 3, 4])
      const cutShort = await launch({ spec })
      await end(cutShort, [succeeded(0), succeeded(1), failed(2), succeeded(1, 1)])
      expect(await settled(cutShort)).toEqual([1])
    })

    it('of a retry are also those that it left out', async () => {
      const run = await launch({ spec: tenItems })
      await end(run)
      for (const never of [[], [6]]) {
        const retry = (await store.createRetry(retryOf(run, [2, 4, 6])))!
        const tasks = [succeeded(4), failed(2), failed(6)].filter(({ index }) => !never.includes(index))
        await end(retry, tasks)
        expect(await settled(retry)).toEqual([0, 1, 3, 4, 5, 7, 8, 9])
      }
    })

    it('are found among many', async () => {
      const count = 30_000
      const run = await launch({ spec: { source: { kind: 'range', from: 0, to: count, step: 1, count } } })
      const isFine = (index: number) => index % 7 === 0
      await end(
        run,
        Array.from({ length: count }, (_, index) => (isFine(index) ? succeeded(index) : cancelled(index))),
      )
      const expected = Array.from({ length: count }, (_, index) => index).filter(isFine)
      expect(await store.settledItems(run.id, count)).toEqual(setOf(count, expected))
    })
  })

  it('lists the retries of a run, oldest first, and finds runs by their numbers', async () => {
    const run = await launch()
    await end(run)
    const retries: RunRecord[] = []
    for (let made = 0; made < 3; made += 1) retries.push((await store.createRetry(retryOf(run, [made])))!)
    const ofRetry = (await store.createRetry(retryOf(retries[0]!, [0])))!
    expect(await store.retriesOf(run.id, 10)).toEqual(retries)
    expect(await store.retriesOf(run.id, 2)).toEqual(retries.slice(0, 2))
    expect(await store.retriesOf(retries[0]!.id, 10)).toEqual([ofRetry])
    expect(await store.retriesOf(ofRetry.id, 10)).toEqual([])
    expect(await store.runById(ofRetry.id)).toEqual(ofRetry)
    await remove(run)
    expect(await store.runById(run.id)).toBeNull()
    expect((await store.retriesOf(run.id, 10)).map(({ id }) => id)).toEqual(retries.map(({ id }) => id))
  })

  describe('deleteFinished', () => {
    const instant = (ms: number) => new Date(RUN_STARTED_AT + ms)

    /** As often as it takes: how many go at a time is a matter of time. */
    const deleteAll = async (before: Date, max: number) => {
      const deleted: Awaited<ReturnType<Store['deleteFinished']>> = []
      for (;;) {
        const some = await store.deleteFinished(before, max)
        expect(some.length).toBeLessThanOrEqual(max)
        if (some.length === 0) return deleted
        deleted.push(...some)
      }
    }

    it('takes away what ended before, the first end first, and nothing else', async () => {
      const runs: RunRecord[] = []
      for (const finishedMs of [50, 10, 40, 30]) {
        const run = await launch()
        runs.push(run)
        await end(run, [succeeded(0)], { finishedMs })
      }
      const going = await launch()
      const keyed = ({ id, key }: RunRecord) => ({ id, key })
      expect(await store.deleteFinished(instant(10), 10)).toEqual([])
      expect(await deleteAll(instant(41), 2)).toEqual([runs[1]!, runs[3]!, runs[2]!].map(keyed))
      expect(await store.run(runs[1]!.key)).toBeNull()
      expect((await store.run(runs[0]!.key))?.id).toBe(runs[0]!.id)
      expect((await store.run(going.key))?.id).toBe(going.id)
      expect(await store.deletedRuns()).toEqual([runs[1]!.id, runs[2]!.id, runs[3]!.id])
    })

    it('leaves what goes in steps, several runs in one', async () => {
      const runs: RunRecord[] = []
      for (let made = 0; made < 5; made += 1) {
        const run = await launch()
        runs.push(run)
        await end(run, [succeeded(0)])
      }
      const deleted = await deleteAll(instant(1_000), 10)
      let left = deleted.map(({ id }) => id)
      expect(left).toEqual(runs.map(({ id }) => id))
      while (left.length > 0) {
        const steps = await store.purgeRuns(left)
        expect(steps.length).toBeGreaterThan(0)
        left = left.filter((_, at) => at >= steps.length || steps[at] !== null)
      }
      expect(await store.deletedRuns()).toEqual([])
      expect(await store.purgeRuns([])).toEqual([])
    })
  })
})

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch, dataDir } = useStore(create)

  it('finds a retry by the labels and functions of the first run', async () => {
    const labels = [{ name: 'team', value: 'blue' }]
    const run = await launch({ spec: { labels, name: 'nightly' } })
    const retry = (await current().createRetry(retryOf(run, [1])))!
    for (const filter of [{ labels }, { function: 'sumOfSquares' }, { name: 'nightly' }]) {
      const { rows } = await current().runs(filter, 'CREATED_ASC', { first: 10 })
      expect(rows.map(({ row }) => row.id)).toEqual([run.id, retry.id])
    }
  })

  it('removes the file that runs share with the last of them', async () => {
    const folder = join(dataDir(), 'uploads')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'a.lines'), '1\n2\n3\n')
    const source = { kind: 'file', form: 'inputs', name: null, bytes: 6, sha256: 'ab', count: 3 } as const
    const run = await launch({ spec: { source }, file: { file: 'a.lines', stretches: new Float64Array() } })
    const retry = (await current().createRetry(retryOf(run, [1])))!
    for (const { record, isLast } of [
      { record: run, isLast: false },
      { record: retry, isLast: true },
    ]) {
      await current().commit([commitOf(record, [], { status: 'FAILED', finishedAt: new Date(1) })])
      await current().deleteRun(record.id)
      while ((await purgeStep(current(), record.id)) !== null);
      expect(existsSync(join(folder, 'a.lines'))).toBe(!isLast)
    }
  })

  it('keeps of a list what is repeated, in whole blocks', async () => {
    const items = Array.from({ length: 5_000 }, (_, at) => at)
    const { run } = await current().createRun(listOf(items))
    const retry = (await current().createRetry(retryOf(run, [1_500])))!
    expect([...(await current().items(retry.id, [999, 1_000, 1_500, 1_999, 2_000])).keys()]).toEqual([
      1_000, 1_500, 1_999,
    ])
  })
})
