import { describe, expect, it } from 'vitest'
import { Outcome } from '../../../src/domain/results.js'
import { queuedStages, type RunRecord } from '../../../src/domain/run.js'
import type { RunView } from '../../../src/engine/engine.js'
import { compareRuns } from '../../../src/engine/run-comparison.js'
import type { ServiceSample, TaskScope } from '../../../src/store/store.js'
import { batchSpec, runRecord } from '../../support/engine-parts.js'
import { World } from '../../support/engine-world.js'
import { Draws } from '../../support/samples.js'

const ALL: TaskScope = { stage: null, host: null }
const draws = new Draws(2)

function viewOf(record: RunRecord): RunView {
  return { record } as RunView
}

function ended(changes: Partial<RunRecord> = {}): RunView {
  return viewOf(runRecord({ status: 'SUCCEEDED', effectiveStrategy: 'THREADS', concurrency: 2, ...changes }))
}

/** A store with the samples of some runs, and what it was asked. */
function storeOf(samples: readonly (readonly [RunView, Partial<ServiceSample>])[]) {
  const asked: unknown[] = []
  return {
    asked,
    serviceSample: async (id: number, scope: TaskScope, max: number): Promise<ServiceSample> => {
      asked.push({ ...scope, max })
      const found = samples.find(([{ record }]) => record.id === id)?.[1]
      return { timesMs: new Float64Array(0), failed: 0, isWhole: true, drift: 1, hosts: [], ...found }
    },
  }
}

describe('compareRuns', () => {
  it('has figures and words of the scope that is asked for', async () => {
    const [baseline, candidate] = [ended(), ended()]
    const store = storeOf([
      [baseline, { timesMs: draws.times(300, 10), failed: 2 }],
      [candidate, { timesMs: draws.times(200, 15), isWhole: false }],
    ])
    const found = await compareRuns(store, { baseline, candidate }, { stage: 0, host: 'a.example' })
    expect(found).toMatchObject({ baseline, candidate, baselineTasks: 300, candidateTasks: 200 })
    expect(found?.pValue).toBeLessThan(0.001)
    expect(found?.verdict).toContain('took longer')
    expect(found?.verdict).toContain('2 of the baseline')
    expect(found?.verdict).toContain('Of the candidate an even sample')
    expect(store.asked).toEqual(Array(2).fill({ stage: 0, host: 'a.example', max: 10_000 }))
  })

  it('is null where one of them has no timed task', async () => {
    const [baseline, candidate] = [ended(), ended()]
    const store = storeOf([[baseline, { timesMs: draws.times(3) }]])
    expect(await compareRuns(store, { baseline, candidate }, ALL)).toBeNull()
    expect(await compareRuns(store, { baseline: candidate, candidate: baseline }, ALL)).toBeNull()
  })

  it('takes a run beside itself for what it is, and reads it once', async () => {
    const run = ended()
    const store = storeOf([[run, { timesMs: draws.times(50) }]])
    const found = await compareRuns(store, { baseline: run, candidate: run }, ALL)
    expect(found).toMatchObject({ ratio: 1, pValue: 1 })
    expect(found?.verdict).toMatch(/^Both are the same run/)
    expect(store.asked).toHaveLength(1)
  })

  it('tells what else differs, of the stage that is compared alone', async () => {
    const stage = (name: string) => ({ kind: 'COMPUTE' as const, name, function: name, chunkSize: null, reduce: null })
    const pipeline = (functions: string[], strategies: ('THREADS' | 'ASYNC')[]) => {
      const spec = batchSpec({ kind: 'PIPELINE', stages: functions.map(stage) })
      const stages = queuedStages(spec)!.map((state, at) => ({ ...state, effectiveStrategy: strategies[at]! }))
      return ended({ spec, stages })
    }
    const baseline = pipeline(['square', 'cube'], ['THREADS', 'ASYNC'])
    const candidate = pipeline(['square', 'root'], ['THREADS', 'THREADS'])
    const store = storeOf([baseline, candidate].map((run) => [run, { timesMs: draws.times(20) }] as const))
    const verdict = async (scope: TaskScope) => (await compareRuns(store, { baseline, candidate }, scope))?.verdict
    expect(await verdict(ALL)).toContain(
      'The runs differ in what they do (square, cube and square, root) and strategy (THREADS, ASYNC and THREADS).',
    )
    expect(await verdict({ stage: 0, host: null })).not.toContain('differ in')
    expect(await verdict({ stage: 1, host: null })).toContain('what they do (cube and root)')
  })

  it('tells hosts that differ, where no host was asked for', async () => {
    const [baseline, candidate] = [ended(), ended()]
    const store = storeOf([
      [baseline, { timesMs: draws.times(20), hosts: ['a.example'] }],
      [candidate, { timesMs: draws.times(20), hosts: ['a.example', 'b.example'] }],
    ])
    const verdict = async (scope: TaskScope) => (await compareRuns(store, { baseline, candidate }, scope))?.verdict
    expect(await verdict(ALL)).toContain('their hosts (a.example and a.example, b.example)')
    expect(await verdict({ stage: null, host: 'a.example' })).not.toContain('differ in')
  })
})

describe('Runs.compareRuns', () => {
  it('takes of a run under way what has ended so far, and null for one that is not there', async () => {
    const world = new World()
    const key = await world.compute({ items: 8, options: { strategy: 'SEQUENTIAL' } })
    expect(await world.runs.compareRuns(key, key, ALL)).toBeNull()
    for (let at = 0; at < 5; at += 1) {
      await world.pass(10)
      await world.end(world.pool.busy[0], { outcome: Outcome.SUCCEEDED }, 1)
    }
    const found = await world.runs.compareRuns(key, key, ALL)
    expect(found).toMatchObject({ baselineTasks: 5, candidateTasks: 5, ratio: 1, pValue: 1 })
    expect(found?.verdict).toContain('This is so far: the run is RUNNING.')
    const gone = 'f'.repeat(32) as typeof key
    expect(await world.runs.compareRuns(key, gone, ALL)).toBeNull()
    expect(await world.runs.compareRuns(gone, key, ALL)).toBeNull()
  })
})
