/** What every store promises of lists of runs; see src/store/store.ts. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { BatchSpec } from '../../src/domain/batch.js'
import type { RunRecord, RunState } from '../../src/domain/run.js'
import type { PageRequest, RunFilter, RunOrder, Store } from '../../src/store/store.js'
import { block, commitOf, fetchDetail, RUN_STARTED_AT } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'

describe.each(stores)('store %s', (_name, create) => {
  const { current, launch } = useStore(create)
  let store: Store
  beforeEach(() => {
    store = current()
  })

  describe('runs', () => {
    const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 18, 0, second))
    const fetching: Partial<BatchSpec> = {
      kind: 'FETCH',
      strategy: 'AUTO',
      stages: [
        {
          kind: 'FETCH',
          name: 'fetch',
          fetch: { bodyPolicy: 'DISCARD', maxBytes: 1, maxRedirects: 0, headers: [], okStatuses: null },
        },
      ],
    }
    let runs: RunRecord[]

    beforeEach(async () => {
      const computing = (...names: string[]) =>
        names.map((name) => ({
          kind: 'COMPUTE' as const,
          name: 'compute',
          function: name,
          chunkSize: null,
          reduce: null,
        }))
      runs = [
        await launch({ createdAt: at(1), spec: { name: 'a', stages: computing('countPrimes', 'sum', 'sum') } }),
        await launch({
          createdAt: at(2),
          spec: {
            ...fetching,
            name: 'b',
            labels: [
              { name: 'team', value: 'blue' },
              { name: 'day', value: '1' },
            ],
          },
        }),
        await launch({
          createdAt: at(3),
          spec: { name: 'a', strategy: 'SEQUENTIAL', labels: [{ name: 'team', value: 'blue' }] },
        }),
        await launch({ createdAt: at(4), spec: { ...fetching, labels: [{ name: 'team', value: 'red' }] } }),
      ]
      const ended = (durationMs: number): Partial<RunState> => ({
        status: 'SUCCEEDED',
        startedAt: new Date(RUN_STARTED_AT),
        finishedAt: new Date(RUN_STARTED_AT + durationMs),
      })
      await store.commit([
        commitOf(runs[0]!, [], ended(500)),
        commitOf(runs[1]!, [block([{ index: 0, fetch: fetchDetail }], { firstSequence: 1 })], ended(100)),
        commitOf(runs[2]!, [], { status: 'RUNNING', startedAt: new Date(RUN_STARTED_AT) }),
      ])
    })

    const found = async (filter: RunFilter, order: RunOrder = 'CREATED_ASC', page: PageRequest = { first: 10 }) =>
      (await store.runs(filter, order, page)).rows.map(({ row }) => runs.findIndex(({ id }) => id === row.id))

    it('is ordered by launch or by duration, those without one last', async () => {
      expect(await found({}, 'CREATED_ASC')).toEqual([0, 1, 2, 3])
      expect(await found({}, 'CREATED_DESC')).toEqual([3, 2, 1, 0])
      expect(await found({}, 'DURATION_ASC')).toEqual([1, 0, 2, 3])
      expect(await found({}, 'DURATION_DESC')).toEqual([0, 1, 3, 2])
    })

    it('gives records as they are stored', async () => {
      const { rows } = await store.runs({}, 'CREATED_ASC', { first: 10 })
      for (const { row } of rows) expect(row).toEqual(await store.run(row.key))
    })

    it.each(['CREATED_ASC', 'CREATED_DESC', 'DURATION_ASC', 'DURATION_DESC'] as const)(
      'gives pages of %s',
      async (order) => {
        const all = await found({}, order)
        const forwards: number[] = []
        for (let after: readonly number[] | undefined; ; ) {
          const { rows, hasNextPage, hasPreviousPage } = await store.runs({}, order, {
            first: 1,
            ...(after && { after }),
          })
          forwards.push(...rows.map(({ row }) => runs.findIndex(({ id }) => id === row.id)))
          expect(hasPreviousPage).toBe(after !== undefined)
          if (!hasNextPage) break
          after = rows[0]!.position
        }
        expect(forwards).toEqual(all)
        const { rows } = await store.runs({}, order, { first: 4 })
        expect(await found({}, order, { last: 2, before: rows[3]!.position })).toEqual(all.slice(1, 3))
      },
    )

    it('is filtered by each of its traits, and by several', async () => {
      const cases: [RunFilter, number[]][] = [
        [{ kind: ['FETCH'] }, [1, 3]],
        [{ kind: ['FETCH', 'COMPUTE'] }, [0, 1, 2, 3]],
        [{ kind: [] }, []],
        [{ status: ['SUCCEEDED'] }, [0, 1]],
        [{ status: ['QUEUED', 'RUNNING'] }, [2, 3]],
        [{ strategy: ['SEQUENTIAL'] }, [2]],
        [{ strategy: ['AUTO', 'THREADS'] }, [0, 1, 3]],
        [{ name: 'a' }, [0, 2]],
        [{ name: 'A' }, []],
        [{ function: 'countPrimes' }, [0]],
        [{ function: 'sum' }, [0]],
        [{ function: 'primes' }, []],
        [{ host: fetchDetail.host }, [1]],
        [{ host: 'nowhere' }, []],
        [{ labels: [{ name: 'team', value: 'blue' }] }, [1, 2]],
        [
          {
            labels: [
              { name: 'team', value: 'blue' },
              { name: 'day', value: '1' },
            ],
          },
          [1],
        ],
        [
          {
            labels: [
              { name: 'team', value: 'blue' },
              { name: 'team', value: 'red' },
            ],
          },
          [],
        ],
        [{ labels: [] }, [0, 1, 2, 3]],
        [{ createdAfter: at(2) }, [1, 2, 3]],
        [{ createdBefore: at(2) }, [0]],
        [{ createdAfter: at(1), createdBefore: at(4) }, [0, 1, 2]],
        [
          {
            kind: ['FETCH'],
            status: ['SUCCEEDED'],
            strategy: ['AUTO'],
            name: 'b',
            host: fetchDetail.host,
            createdAfter: at(0),
            labels: [{ name: 'day', value: '1' }],
          },
          [1],
        ],
        [{ kind: ['COMPUTE'], status: ['QUEUED'] }, []],
      ]
      for (const [filter, expected] of cases)
        for (const order of ['CREATED_ASC', 'CREATED_DESC', 'DURATION_ASC', 'DURATION_DESC'] as const) {
          expect([filter, (await found(filter, order)).sort()]).toEqual([filter, expected])
          expect([filter, await store.countRuns(filter)]).toEqual([filter, expected.length])
        }
    })

    it('tells the unfinished, oldest first', async () => {
      expect((await store.unfinishedRuns()).map(({ id }) => id)).toEqual([runs[2]!.id, runs[3]!.id])
      await store.commit([
        commitOf(runs[3]!, [], { status: 'PAUSED' }),
        commitOf(runs[2]!, [], { status: 'CANCELLED' }),
      ])
      expect((await store.unfinishedRuns()).map(({ status }) => status)).toEqual(['PAUSED'])
    })
  })
})
