/** What every store promises of comparisons; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { AskedStrategy, BatchSpec } from '../../src/domain/batch.js'
import type { ComparisonRecord } from '../../src/domain/comparison.js'
import { toComparisonKey } from '../../src/domain/ids.js'
import type { RunRecord, RunState } from '../../src/domain/run.js'
import { emptyMoments } from '../../src/domain/timing.js'
import type { NewComparison, Store } from '../../src/store/store.js'
import { commitOf, newRun, purgeStep, RUN_STARTED_AT } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

let keys = 0

/** A comparison of a compute over a range, unless something else is said; two rounds, in an order of its own. */
function newComparison(changes: Partial<NewComparison> = {}, spec: Partial<BatchSpec> = {}): NewComparison {
  keys += 1
  const order: AskedStrategy[] = ['THREADS', 'SEQUENTIAL', 'SEQUENTIAL', 'THREADS']
  return {
    key: toComparisonKey(keys.toString(16).padStart(32, 'c')),
    name: 'which',
    strategies: ['SEQUENTIAL', 'THREADS'],
    rounds: 2,
    createdAt: new Date('2026-11-29T03:00:00.123Z'),
    runs: order.map((strategy) => {
      const run = newRun({ spec: { ...spec, strategy } })
      return { key: run.key, spec: run.spec }
    }),
    items: null,
    file: null,
    idempotency: null,
    ...changes,
  }
}

const TIMED = {
  times: { service: emptyMoments(), queueWait: emptyMoments(), cpuMs: 0, firstStartMs: 5, lastEndMs: 105.5 },
  startedAt: new Date(RUN_STARTED_AT),
  finishedAt: new Date(RUN_STARTED_AT + 200),
  concurrency: 2,
}

describe.each(stores)('store %s', (_name, create) => {
  const { current, reopen, launch } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  async function launched(comparison = newComparison()): Promise<{ comparison: ComparisonRecord; runs: RunRecord[] }> {
    const created = await store.createComparison(comparison)
    if (created.outcome !== 'created') throw new Error(`expected a new comparison, got ${created.outcome}`)
    return created
  }

  const end = (run: RunRecord, changes: Partial<RunState> = {}) =>
    store.commit([commitOf(run, [], { ...TIMED, status: 'SUCCEEDED', ...changes })])

  describe('createComparison', () => {
    it('writes it down with all its runs, as they will be read', async () => {
      const asked = newComparison({}, { labels: [{ name: 'a', value: 'b' }] })
      const { comparison, runs } = await launched(asked)
      const { id: _id, ...told } = comparison
      const { key, name, strategies, rounds, createdAt } = asked
      expect(told).toEqual({ key, name, strategies, rounds, createdAt })
      expect(runs.map((run) => ({ key: run.key, spec: run.spec }))).toEqual(asked.runs)
      for (const run of runs) {
        expect(run).toMatchObject({
          comparisonId: comparison.id,
          status: 'QUEUED',
          startedAt: null,
          sequence: 0,
          createdAt,
        })
        expect(run.counts.total).toBe(100)
        expect(await store.run(run.key)).toEqual(run)
      }
      expect(runs.map(({ id }) => id)).toEqual(runs.map(({ id }) => id).sort((a, b) => a - b))
      const again = await reopen()
      expect(await again.comparison(asked.key)).toEqual(comparison)
      expect(await again.comparisonById(comparison.id)).toEqual(comparison)
      expect(await again.runsOfComparison(comparison.id)).toEqual(runs)
      expect((await again.unfinishedRuns()).map(({ id }) => id)).toEqual(runs.map(({ id }) => id))
      expect(await again.countRuns({ labels: [{ name: 'a', value: 'b' }] })).toBe(4)
      expect(await again.countRuns({ function: 'sumOfSquares' })).toBe(4)
    })

    it('writes nothing where it fails', async () => {
      const asked = newComparison()
      const twice = { ...asked, runs: [...asked.runs, asked.runs[0]!] }
      await expect(store.createComparison(twice)).rejects.toThrow()
      expect([await store.countComparisons(), await store.countRuns({})]).toEqual([0, 0])
      await launched(asked)
    })

    it('keeps the items of a list once, for all of its runs', async () => {
      const items = Array.from({ length: 2500 }, (_, at) => ({ item: at }))
      const source = { kind: 'list' as const, form: 'inputs' as const, count: items.length }
      const { runs } = await launched(newComparison({ items }, { source }))
      const own = await launch({ items: ['own'], spec: { source: { ...source, count: 1 } } })
      for (const { id } of runs) {
        expect(await store.items(id, [0, 999, 1000, 2499])).toEqual(
          new Map([0, 999, 1000, 2499].map((at) => [at, items[at]])),
        )
        expect((await store.items(id, [2500])).size).toBe(0)
      }
      expect(await store.items(own.id, [0, 1])).toEqual(new Map([[0, 'own']]))
    })

    it('keeps where the lines of a file are with each run', async () => {
      const source = { kind: 'file' as const, form: 'inputs' as const, name: 'a', bytes: 3, sha256: '', count: 2 }
      const file = { file: '0f8fad5b-d9cb-469f-a165-70867728950e', stretches: Float64Array.of(0, 0, 2) }
      const { runs } = await launched(newComparison({ file }, { source }))
      for (const { id } of runs) expect((await store.sourceFile(id))?.stretches).toEqual(file.stretches)
    })
  })

  describe('the idempotency key of a comparison', () => {
    const idempotency = { space: '', key: 'nightly', inputHash: 'aa' }

    it('finds it again, and no other, from a comparison as from a run', async () => {
      expect(await store.earlierComparison(idempotency)).toBeNull()
      const { comparison } = await launched(newComparison({ idempotency }))
      const existing = { outcome: 'existing', comparison }
      expect(await store.createComparison(newComparison({ idempotency }))).toEqual(existing)
      expect(await store.earlierComparison(idempotency)).toEqual(existing)
      const other = { ...idempotency, inputHash: 'bb' }
      expect(await store.createComparison(newComparison({ idempotency: other }))).toEqual({ outcome: 'conflict' })
      expect((await store.createRun(newRun({ idempotency: other }))).outcome).toBe('conflict')
      expect((await store.createRun(newRun({ idempotency: { ...idempotency, space: 'b' } }))).outcome).toBe('created')
      expect([await store.countComparisons(), await store.countRuns({})]).toEqual([1, 5])
    })

    it('conflicts with that of a run', async () => {
      await launch({ idempotency })
      expect(await store.createComparison(newComparison({ idempotency }))).toEqual({ outcome: 'conflict' })
    })

    it('is settled between launches at the same moment', async () => {
      const outcomes = await Promise.all([
        store.createComparison(newComparison({ idempotency })),
        store.createComparison(newComparison({ idempotency })),
        store.createRun(newRun({ idempotency: { ...idempotency, inputHash: 'cc' } })),
      ])
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['created', 'existing', 'conflict'])
    })
  })

  describe('comparedRuns', () => {
    it('tells what is compared, in the order of the runs', async () => {
      const { comparison, runs } = await launched(newComparison({}, { failFast: true }))
      const [first, second, third, fourth] = runs as [RunRecord, RunRecord, RunRecord, RunRecord]
      const failure = { code: 'LANE_DIED' as const, message: 'gone', retryable: false }
      await end(first, { sequence: 7 })
      await end(second, { status: 'FAILED', counts: { ...second.counts, failed: 2, skipped: 98 } })
      await end(third, { status: 'FAILED', failure, times: third.times })
      await store.noteInterrupted([first.id, fourth.id])
      const compared = await store.comparedRuns(comparison.id)
      const plain = { sequence: 0, failedTasks: 0, isCutShort: false, hasFailure: false, wasInterrupted: false }
      expect(compared).toEqual([
        {
          ...plain,
          key: first.key,
          status: 'SUCCEEDED',
          sequence: 7,
          strategy: 'THREADS',
          concurrency: 2,
          wallMs: 100.5,
          wasInterrupted: true,
        },
        {
          ...plain,
          key: second.key,
          status: 'FAILED',
          strategy: 'SEQUENTIAL',
          concurrency: 2,
          wallMs: 100.5,
          failedTasks: 2,
          isCutShort: true,
        },
        {
          ...plain,
          key: third.key,
          status: 'FAILED',
          strategy: 'SEQUENTIAL',
          concurrency: 2,
          wallMs: null,
          isCutShort: true,
          hasFailure: true,
        },
        {
          ...plain,
          key: fourth.key,
          status: 'QUEUED',
          strategy: 'THREADS',
          concurrency: null,
          wallMs: null,
          wasInterrupted: true,
        },
      ])
    })

    it('takes failed tasks for no early end where failFast did not make it one, and a cancelled run for one', async () => {
      const { comparison, runs } = await launched()
      await end(runs[0]!, { status: 'PARTIAL', counts: { ...runs[0]!.counts, failed: 2 } })
      await end(runs[1]!, { status: 'CANCELLED' })
      const compared = await store.comparedRuns(comparison.id)
      expect(compared.map(({ isCutShort }) => isCutShort)).toEqual([false, true, false, false])
    })

    it('has none of what is not there', async () => {
      expect(await store.comparedRuns(99)).toEqual([])
      expect(await store.runsOfComparison(99)).toEqual([])
      expect(await store.comparison(toComparisonKey('f'.repeat(32)))).toBeNull()
      expect(await store.comparisonById(99)).toBeNull()
    })
  })

  describe('comparisons', () => {
    it('are listed page by page, the latest first', async () => {
      const all: ComparisonRecord[] = []
      for (let at = 0; at < 5; at += 1) all.unshift((await launched()).comparison)
      const first = await store.comparisons({ first: 2 })
      expect(first.rows.map(({ row }) => row)).toEqual(all.slice(0, 2))
      expect([first.hasNextPage, first.hasPreviousPage]).toEqual([true, false])
      const next = await store.comparisons({ first: 10, after: first.rows[1]!.position })
      expect(next.rows.map(({ row }) => row)).toEqual(all.slice(2))
      expect([next.hasNextPage, next.hasPreviousPage]).toEqual([false, true])
      const last = await store.comparisons({ last: 1, before: next.rows[2]!.position })
      expect(last.rows.map(({ row }) => row)).toEqual([all[3]])
      expect(await store.countComparisons()).toBe(5)
    })
  })

  describe('deleting the runs of a comparison', () => {
    const purge = async (runId: number) => {
      while ((await purgeStep(store, runId)) !== null);
    }

    it('takes one after the other out of it, and the comparison with the last', async () => {
      const items = Array.from({ length: 200_000 }, (_, at) => at)
      const source = { kind: 'list' as const, form: 'inputs' as const, count: items.length }
      const { comparison, runs } = await launched(newComparison({ items }, { source }))
      for (const run of runs) await end(run)
      for (const [at, run] of runs.entries()) {
        expect(await store.comparisonById(comparison.id)).toEqual(comparison)
        expect(await store.deleteRun(run.id)).toBe(true)
        expect((await store.comparedRuns(comparison.id)).map(({ key }) => key)).toEqual(
          runs.slice(at + 1).map(({ key }) => key),
        )
        await purge(run.id)
        const [next] = runs.slice(at + 1)
        if (next) expect((await store.items(next.id, [199_999])).get(199_999)).toBe(199_999)
      }
      expect(await store.comparison(comparison.key)).toBeNull()
      expect(await store.countComparisons()).toBe(0)
      expect(await store.deletedRuns()).toEqual([])
    })

    it('frees the key with the run that has it', async () => {
      const idempotency = { space: '', key: 'nightly', inputHash: 'aa' }
      const { runs } = await launched(newComparison({ idempotency }))
      await end(runs[0]!)
      await store.deleteRun(runs[0]!.id)
      expect(await store.earlierComparison(idempotency)).toBeNull()
    })
  })
})
