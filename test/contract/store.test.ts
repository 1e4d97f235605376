/** What every store promises of launches; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import { toRunKey } from '../../src/domain/ids.js'
import type { Store } from '../../src/store/store.js'
import { commitOf, listOf, newRun, RUN_STARTED_AT, stateOf } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch, reopen, write } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  describe('createRun', () => {
    it('writes a launch down as it will be read', async () => {
      const launched = newRun({
        spec: {
          kind: 'FETCH',
          name: 'pages',
          labels: [
            { name: 'team', value: 'blue' },
            { name: 'team', value: 'blue' },
            { name: 'a', value: '' },
          ],
          priority: -3,
          strategy: 'AUTO',
          concurrency: 64,
          failFast: true,
          timeoutMs: 30_000,
          source: {
            kind: 'template',
            template: 'http://127.0.0.1/{i}',
            from: 1,
            to: 2_000_000,
            step: 2,
            count: 1_000_000,
          },
          stages: [
            {
              kind: 'FETCH',
              name: 'fetch',
              fetch: {
                bodyPolicy: 'JSON',
                maxBytes: 1,
                maxRedirects: 2,
                headers: [{ name: 'a', value: 'ü' }],
                okStatuses: [200, 404],
              },
            },
          ],
        },
      })
      const { outcome, run } = await store.createRun(launched)
      expect(outcome).toBe('created')
      expect(run).toMatchObject({
        key: launched.key,
        spec: launched.spec,
        status: 'QUEUED',
        createdAt: launched.createdAt,
        effectiveStrategy: null,
        startedAt: null,
        finishedAt: null,
        failure: null,
        reduction: null,
        counts: { total: 1_000_000, succeeded: 0, failed: 0, cancelled: 0, skipped: 0, bytes: 0 },
        lastTaskSequence: 0,
      })
      expect(await store.run(launched.key)).toEqual(run)
      expect(await (await reopen()).run(launched.key)).toEqual(run)
    })

    it('counts a task for each item in each stage', async () => {
      const compute = newRun().spec.stages[0]!
      const run = await launch({ spec: { kind: 'PIPELINE', stages: [compute, compute, compute] } })
      expect(run.counts.total).toBe(300)
    })

    it('numbers runs in the order of their launches', async () => {
      const runs = [await launch(), await launch(), await launch()]
      expect(runs.map(({ id }) => id)).toEqual(runs.map(({ id }) => id).sort((a, b) => a - b))
      expect(new Set(runs.map(({ id }) => id)).size).toBe(3)
    })

    it('refuses a key that is taken', async () => {
      const launched = newRun()
      await store.createRun(launched)
      await expect(store.createRun(launched)).rejects.toThrow()
    })

    it('writes nothing of a launch that fails', async () => {
      const launched = newRun()
      await store.createRun(launched)
      const again = { ...listOf(['a', 'b']), key: launched.key }
      await expect(store.createRun(again)).rejects.toThrow()
      expect(await store.countRuns({})).toBe(1)
      expect((await store.runs({}, 'CREATED_ASC', { first: 10 })).rows.map(({ row }) => row.key)).toEqual([
        launched.key,
      ])
    })

    it('has no run under another key', async () => {
      expect(await store.run(toRunKey('f'.repeat(32)))).toBeNull()
    })
  })

  describe('idempotency', () => {
    const idempotency = { space: 'token-1', key: 'nightly', inputHash: 'aa' }

    it('answers with the earlier run for the same key and input', async () => {
      const first = await launch({ idempotency })
      await store.commit([commitOf(first, [], { status: 'RUNNING', startedAt: new Date(RUN_STARTED_AT) })])
      const again = await store.createRun(newRun({ idempotency }))
      expect(again).toEqual({ outcome: 'existing', run: await store.run(first.key) })
      expect(again.run.status).toBe('RUNNING')
      expect(await store.countRuns({})).toBe(1)
    })

    it('tells of a conflict for the same key and another input', async () => {
      const first = await launch({ idempotency })
      const again = await store.createRun(newRun({ idempotency: { ...idempotency, inputHash: 'bb' } }))
      expect(again).toEqual({ outcome: 'conflict', run: first })
    })

    it('finds an earlier run without a launch', async () => {
      expect(await store.earlierRun(idempotency)).toBeNull()
      const run = await launch({ idempotency })
      expect(await store.earlierRun(idempotency)).toEqual({ outcome: 'existing', run })
      expect(await store.earlierRun({ ...idempotency, inputHash: 'bb' })).toEqual({ outcome: 'conflict', run })
      expect(await store.earlierRun({ ...idempotency, space: '' })).toBeNull()
    })

    it('keeps spaces apart', async () => {
      await launch({ idempotency })
      await launch({ idempotency: { ...idempotency, space: '' } })
      await launch({ idempotency: { ...idempotency, space: 'token-2' } })
      await launch()
      await launch()
      expect(await store.countRuns({})).toBe(5)
    })

    it('creates one run of launches at the same time', async () => {
      const launches = Array.from({ length: 20 }, (_, at) =>
        store.createRun(newRun({ idempotency: { ...idempotency, inputHash: at % 2 === 0 ? 'even' : 'odd' } })),
      )
      const outcomes = await Promise.all(launches)
      const created = outcomes.filter(({ outcome }) => outcome === 'created')
      expect(created).toHaveLength(1)
      expect(outcomes.filter(({ outcome }) => outcome === 'existing')).toHaveLength(9)
      expect(outcomes.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(10)
      expect(new Set(outcomes.map(({ run }) => run.key))).toEqual(new Set([created[0]!.run.key]))
      expect(await store.countRuns({})).toBe(1)
    })
  })

  describe('items', () => {
    it('gives the items of a list at any indexes', async () => {
      const items = Array.from({ length: 10_000 }, (_, at) =>
        at % 3 === 0 ? { n: at, text: 'ü"\\' } : at % 3 === 1 ? at : null,
      )
      const { run } = await store.createRun(listOf(items))
      const wanted = [0, 1, 2, 999, 1000, 1001, 5000, 9999, 17]
      expect(await store.items(run.id, wanted)).toEqual(new Map(wanted.map((index) => [index, items[index]])))
      expect(await store.items(run.id, [...items.keys()])).toEqual(new Map(items.entries()))
    })

    it('gives items larger than a block', async () => {
      const items = ['a'.repeat(300_000), 'b', 'c'.repeat(300_000), 'd'.repeat(100_000), 'e'.repeat(200_000)]
      const { run } = await store.createRun(listOf(items))
      expect(await store.items(run.id, [4, 2, 0, 1, 3])).toEqual(new Map([4, 2, 0, 1, 3].map((at) => [at, items[at]])))
    })

    it('leaves out what is no item', async () => {
      const { run } = await store.createRun(listOf(['a']))
      const { run: compact } = await store.createRun(newRun())
      expect(await store.items(run.id, [0, 1, 99])).toEqual(new Map([[0, 'a']]))
      expect(await store.items(compact.id, [0])).toEqual(new Map())
      expect(await store.items(999, [0])).toEqual(new Map())
    })

    it('keeps the runs apart', async () => {
      const { run: one } = await store.createRun(listOf(['one']))
      const { run: two } = await store.createRun(listOf(['two']))
      expect(await store.items(one.id, [0])).toEqual(new Map([[0, 'one']]))
      expect(await store.items(two.id, [0])).toEqual(new Map([[0, 'two']]))
      expect(await store.items(one.id, [0])).toEqual(new Map([[0, 'one']]))
    })
  })

  describe('close', () => {
    it('writes what was handed over before, and ends', async () => {
      const run = await launch()
      const commit = write(run, [{ index: 0 }])
      const launching = store.createRun(newRun())
      await Promise.all([store.close(), store.close(), commit, launching])
      await store.close()
      const again = await reopen()
      expect(await again.countTasks(run.id, {})).toBe(1)
      expect(await again.countRuns({})).toBe(2)
    })

    it('reads nothing afterwards', async () => {
      const run = await launch()
      await store.close()
      await expect(store.run(run.key)).rejects.toThrow(/closed/)
      await expect(store.items(run.id, [0])).rejects.toThrow(/closed/)
      await expect(store.tasks(run.id, {}, 'INDEX', { first: 1 })).rejects.toThrow()
      await expect(store.tasks(run.id, {}, 'SLOWEST', { first: 1 })).rejects.toThrow(/ended/)
      await reopen()
    })

    it('writes nothing afterwards', async () => {
      const run = await launch()
      await store.close()
      await expect(store.createRun(newRun())).rejects.toThrow(/closed|ended/)
      await expect(store.commit([{ ...commitOf(run, []), state: stateOf(run) }])).rejects.toThrow(/closed|ended/)
      await reopen()
    })
  })
})
