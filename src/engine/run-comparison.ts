/** Compares two runs by the service times of their tasks. */

import { type RunRecord, stageStates } from '../domain/run.js'
import { type ComparedTasks, compareTimes, MAX_COMPARED_TASKS, type RunSetting } from '../domain/run-comparison.js'
import { runVerdict } from '../domain/run-verdict.js'
import type { Store, TaskScope } from '../store/store.js'
import type { RunComparison, RunView } from './engine.js'

/** Null where one of them has no timed task in that scope. */
export async function compareRuns(
  store: Pick<Store, 'serviceSample'>,
  { baseline, candidate }: { baseline: RunView; candidate: RunView },
  scope: TaskScope,
): Promise<RunComparison | null> {
  const isSameRun = baseline.record.id === candidate.record.id
  const first = await tasksOf(store, baseline.record, scope)
  const second = isSameRun ? first : await tasksOf(store, candidate.record, scope)
  if (first.timesMs.length === 0 || second.timesMs.length === 0) return null
  const figures = compareTimes(first.timesMs, second.timesMs)
  return {
    ...figures,
    baseline,
    candidate,
    baselineTasks: first.timesMs.length,
    candidateTasks: second.timesMs.length,
    verdict: runVerdict({ baseline: first, candidate: second, isSameRun }, figures),
  }
}

async function tasksOf(
  store: Pick<Store, 'serviceSample'>,
  record: RunRecord,
  scope: TaskScope,
): Promise<ComparedTasks> {
  const { hosts, ...sample } = await store.serviceSample(record.id, scope, MAX_COMPARED_TASKS)
  const setting = settingOf(record, scope)
  return { ...sample, status: record.status, setting: { ...setting, hosts: scope.host === null ? hosts : [] } }
}

/** Of the stage that is compared, else of all. */
function settingOf(record: RunRecord, { stage }: TaskScope): Omit<RunSetting, 'hosts'> {
  const isMeant = (_: unknown, at: number) => stage === null || at === stage
  const states = stageStates(record).filter(isMeant)
  return {
    work: record.spec.stages.filter(isMeant).map((one) => (one.kind === 'FETCH' ? 'fetch' : one.function)),
    strategies: states.flatMap(({ effectiveStrategy }) => effectiveStrategy ?? []),
    concurrency: states.flatMap(({ concurrency }) => concurrency ?? []),
  }
}
