/** What must hold of a run after a crash, and at its end; each problem a sentence. */

import { isDeepStrictEqual } from 'node:util'
import type { ApiClient } from '../support/api.js'
import type { Arrival } from '../support/origin.js'
import type { Batch } from './batches.js'
import { keyOf, type SeenTask, TASK, type Witness } from './witness.js'

/** A launch that was answered. */
export interface LaunchedRun {
  id: string
  batch: Batch
  witness: Witness
  /** When the server was killed while the run had not ended, as arrivals at the origin are timed. */
  crashesAtMs: number[]
  /** As its pause was answered: what was in flight then may end, and nothing else. Null where it is not paused, or nobody knows. */
  paused: { done: number; running: number } | null
}

interface Progress {
  total: number
  queued: number
  running: number
  done: number
  succeeded: number
  failed: number
  cancelled: number
  skipped: number
}

interface Found {
  status: string
  progress: Progress
  tasks: { totalCount: number }
}

const FOUND =
  'status progress { total queued running done succeeded failed cancelled skipped } tasks(first: 0) { totalCount }'

/** Requests that had come for a URL before a crash and come again after it: those in flight, and those whose answers were not on disk. */
export function repeatedAfter(arrivals: readonly Arrival[], tag: string, crashAtMs: number): number {
  const before = new Set<string>()
  const again = new Set<string>()
  for (const { url, atMs } of arrivals) {
    if (!url.includes(tag)) continue
    if (atMs <= crashAtMs) before.add(url)
    else if (before.has(url)) again.add(url)
  }
  return again.size
}

/** After a crash: the run is there, all that its client saw of it, and as still as it was where it was paused. */
export async function checkAfterCrash(api: ApiClient, run: LaunchedRun, problems: string[]): Promise<void> {
  const told = (problem: string) => problems.push(`${run.batch.kind} (${run.id}): ${problem}`)
  const { run: found } = await api.ask<{ run: Found | null }>(`query($id: ID!) { run(id: $id) { ${FOUND} } }`, {
    id: run.id,
  })
  if (found === null) {
    told('is not there, though its launch was answered')
    return
  }
  const { progress, status } = found
  if (progress.queued + progress.running + progress.done !== progress.total) told('its counts do not add up')
  const doneBefore = run.witness.latest?.progress.done ?? 0
  if (progress.done < doneBefore) told(`${progress.done} tasks are done, ${doneBefore} were`)
  if (progress.done < run.witness.seen.size) told(`${progress.done} tasks are done, ${run.witness.seen.size} were seen`)
  if (run.paused !== null && !standsStill(found, run.paused))
    told(`was paused at ${JSON.stringify(run.paused)}, and is ${status} at ${JSON.stringify(progress)}`)
  const tasks = await tasksOf(api, run.id)
  if (tasks.size < progress.done - progress.skipped) told(`there are ${tasks.size} tasks of ${progress.done} done`)
  for (const [key, seen] of run.witness.seen) {
    const task = tasks.get(key)
    if (task === undefined) told(`task ${key} was seen, and is gone`)
    else if (!isDeepStrictEqual(task, seen)) told(`task ${key} was ${JSON.stringify(seen)}, is ${JSON.stringify(task)}`)
  }
}

function standsStill({ status, progress }: Found, paused: { done: number; running: number }): boolean {
  return status === 'PAUSED' && progress.done >= paused.done && progress.done <= paused.done + paused.running
}

/** At the end: every item has its tasks, with what must come of it, and the client was told of each once. */
export async function checkEnd(api: ApiClient, run: LaunchedRun, problems: string[]): Promise<void> {
  const { batch, id, witness } = run
  const told = (problem: string) => problems.push(`${batch.kind} (${id}): ${problem}`)
  const { status, progress, tasks: listed } = await api.run<Found>(id, FOUND)
  if (status !== batch.status) told(`has ended ${status}, not ${batch.status}`)
  const tasks = await tasksOf(api, id)
  let failed = 0
  for (let index = 0; index < batch.items; index += 1) {
    for (let stage = 0; stage < batch.stages; stage += 1) {
      const task = tasks.get(keyOf({ stage, index }))
      const expected = batch.outcome(stage, index)
      if (expected?.status === 'FAILED') failed += 1
      const found = task && { status: task.status, output: task.output }
      if (!isDeepStrictEqual(found ?? null, expected))
        told(`task ${stage}/${index} is ${JSON.stringify(task)}, not ${JSON.stringify(expected)}`)
    }
  }
  const total = batch.items * batch.stages
  const counts = {
    total,
    queued: 0,
    running: 0,
    done: total,
    succeeded: total - failed,
    failed,
    cancelled: 0,
    skipped: 0,
  }
  if (!isDeepStrictEqual({ ...progress }, counts)) told(`counts ${JSON.stringify(progress)}`)
  if (listed.totalCount !== total || tasks.size !== total) told(`has ${listed.totalCount} rows of ${total} tasks`)
  if (witness.seen.size !== total) told(`its client saw ${witness.seen.size} of ${total} tasks`)
  for (const [key, seen] of witness.seen)
    if (!isDeepStrictEqual(tasks.get(key), seen)) told(`task ${key} is not what its client saw`)
  for (const problem of witness.problems) told(problem)
}

interface TaskPage {
  nodes: SeenTask[]
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** All ended tasks by stage and index. One that is listed twice is a fault. */
async function tasksOf(api: ApiClient, id: string): Promise<Map<string, SeenTask>> {
  const tasks = new Map<string, SeenTask>()
  const query = `query($id: ID!, $after: String) {
    run(id: $id) { tasks(first: 1000, after: $after, orderBy: ENDED) { nodes { ${TASK} } pageInfo { hasNextPage endCursor } } }
  }`
  let after: string | null = null
  for (;;) {
    const { run }: { run: { tasks: TaskPage } } = await api.ask(query, { id, after })
    for (const task of run.tasks.nodes) {
      if (tasks.has(keyOf(task))) throw new Error(`task ${keyOf(task)} of ${id} has two rows`)
      tasks.set(keyOf(task), task)
    }
    if (!run.tasks.pageInfo.hasNextPage) return tasks
    after = run.tasks.pageInfo.endCursor
  }
}
