import { expect, it } from 'vitest'
import { TaskErrorCode } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { EngineMetrics } from '../../../src/http/engine-metrics.js'
import { COMPUTE, entryOf, FETCH } from '../../support/engine-parts.js'
import { parseExposition, sampleValue } from '../../support/exposition.js'
import { fetchDetail } from '../../support/store.js'

const read = async ({ registry }: EngineMetrics) => parseExposition(await registry.metrics())

it('begins with 0 for all that there can be', async () => {
  const families = await read(new EngineMetrics())
  for (const kind of ['FETCH', 'COMPUTE', 'PIPELINE']) {
    expect(sampleValue(families, 'heddle_runs_launched_total', { kind })).toBe(0)
    for (const status of ['SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'])
      expect(sampleValue(families, 'heddle_runs_ended_total', { kind, status })).toBe(0)
  }
  for (const code of Object.values(TaskErrorCode))
    expect(sampleValue(families, 'heddle_task_errors_total', { code })).toBe(0)
})

it('takes nothing amiss that a lane measures', async () => {
  const metrics = new EngineMetrics()
  for (const laneCpuMs of [-1, Number.NaN, 2_000])
    metrics.tasksEnded([COMPUTE], [entryOf([{ index: 0 }], { laneCpuMs })])
  expect(sampleValue(await read(metrics), 'heddle_lane_cpu_seconds_total')).toBe(2)
})

it('counts tasks by what became of them, their errors, bytes and times, by the kind of their stage', async () => {
  const metrics = new EngineMetrics()
  const error = { code: 'TIMEOUT' as const, message: 'no', retryable: true }
  const entry = entryOf(
    [
      { index: 0, serviceMs: 30, fetch: { ...fetchDetail, bytes: 70 } },
      { index: 1, serviceMs: 2_000, error, fetch: { ...fetchDetail, bytes: 5 } },
      { index: 2, outcome: Outcome.CANCELLED, error },
      // Tried again.
      { index: 3, error },
    ],
    { stage: 1, dropped: new Set([3]), laneCpuMs: 500 },
  )
  metrics.tasksEnded([COMPUTE, FETCH], [entry, entryOf([{ index: 0 }])])
  const families = await read(metrics)
  const tasks = (kind: string) =>
    ['SUCCEEDED', 'FAILED', 'CANCELLED'].map((status) =>
      sampleValue(families, 'heddle_tasks_ended_total', { kind, status }),
    )
  expect([tasks('FETCH'), tasks('COMPUTE')]).toEqual([
    [1, 1, 1],
    [1, 0, 0],
  ])
  expect(sampleValue(families, 'heddle_task_errors_total', { code: 'TIMEOUT' })).toBe(1)
  expect(sampleValue(families, 'heddle_fetched_bytes_total')).toBe(75)
  expect(sampleValue(families, 'heddle_lane_cpu_seconds_total')).toBe(0.5)
  const name = 'heddle_task_service_seconds'
  expect(sampleValue(families, `${name}_sum`, { kind: 'FETCH' })).toBeCloseTo(2.03, 9)
  expect(sampleValue(families, `${name}_bucket`, { kind: 'FETCH', le: '0.05' })).toBe(1)
  expect(sampleValue(families, `${name}_bucket`, { kind: 'FETCH', le: '2.5' })).toBe(2)
  expect(sampleValue(families, 'heddle_task_queue_wait_seconds_count', { kind: 'COMPUTE' })).toBe(1)
})
