/**
 * What subscriptions send. Each stream watches first and reads then, so that nothing falls between the two; the bus only
 * says that something changed, and what is sent is read when it is the client's turn: a slow client skips states, and
 * never the last one.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ComparisonRecord, comparisonStatus } from '../domain/comparison.js'
import { encodeCursor } from '../domain/cursors.js'
import type { RunKey } from '../domain/ids.js'
import { isFinalRunStatus } from '../domain/run.js'
import type { RunView } from '../engine/engine.js'
import type { RunFilter } from '../store/store.js'
import { RunCoalescer } from './coalescer.js'
import type { ApiContext } from './context.js'
import { matchesRun } from './matching.js'
import { ComparisonNode, type TaskNode, taskNodes } from './refs.js'
import { openStream, Pace, type StreamScope } from './stream.js'
import { taskCursorForm } from './tasks.js'

/** The run at once, then its newest state after each change; ends after its last state, or when the run is gone. */
export function runUpdates(context: ApiContext, run: RunKey, perSecond: number): AsyncIterableIterator<RunView> {
  return openStream(context, async function* (scope) {
    const watch = scope.watch({ kind: 'run', run })
    const pace = new Pace(scope, perSecond)
    let sent = -1
    do {
      await pace.turn()
      const view = scope.closed ? null : await context.engine.run(run)
      if (view === null) return
      if (view.progress.sequence > sent) {
        sent = view.progress.sequence
        pace.mark()
        yield view
      }
      if (isFinalRunStatus(view.record.status)) return
    } while ((await watch.next()) !== null)
  })
}

/**
 * The comparison at once, then its newest state after each change of one of its runs; ends after its last state, or when it is
 * gone. Its runs are all known from the beginning; some may be deleted meanwhile.
 */
export function comparisonUpdates(
  context: ApiContext,
  comparison: ComparisonRecord,
  perSecond: number,
): AsyncIterableIterator<ComparisonNode> {
  const { engine } = context
  return openStream(context, async function* (scope) {
    const known = await engine.comparedRuns(comparison)
    const watch = scope.watch({ kind: 'runs', runs: known.map(({ key }) => key) })
    const pace = new Pace(scope, perSecond)
    let sent = ''
    do {
      await pace.turn()
      const runs = scope.closed ? [] : await engine.comparedRuns(comparison)
      if (runs.length === 0) return
      const state = runs.map(({ key, sequence }) => `${key} ${sequence}`).join()
      if (state !== sent) {
        sent = state
        pace.mark()
        yield new ComparisonNode(comparison, engine, runs)
      }
      if (isFinalRunStatus(comparisonStatus(runs))) return
    } while ((await watch.next()) !== null)
  })
}

export interface TaskStreamRequest {
  run: RunKey
  /** The last task sequence that the client has; 0 for none. */
  after: number
}

/** A task as Run.tasks has it in the order ENDED. */
export interface TaskEdge {
  cursor: string
  node: TaskNode
}

/** How many tasks are read at a time for a stream that sends them one by one. */
const READ_AHEAD = 500
/** Of those that are sent one by one: a client that takes them as fast as they come makes nothing wait but everyone else. */
const TURN_TASKS = 32

/** Every ended task once, in the order of the commits. */
export function endedTasks(context: ApiContext, request: TaskStreamRequest): AsyncIterableIterator<TaskEdge> {
  return openStream(context, async function* (scope) {
    for await (const nodes of taskBatches(context, scope, { ...request, limit: READ_AHEAD, pace: null })) {
      for (const [at, node] of nodes.entries()) {
        if (at % TURN_TASKS === TURN_TASKS - 1) await nextTurn()
        yield { cursor: endedCursor(node), node }
      }
    }
  })
}

/** The same, many at a time. */
export interface TaskBatchEvent {
  /** Of the last node. */
  cursor: string
  nodes: TaskNode[]
}

export function endedTaskBatches(
  context: ApiContext,
  request: TaskStreamRequest,
  { perSecond, maxNodes }: { perSecond: number; maxNodes: number },
): AsyncIterableIterator<TaskBatchEvent> {
  return openStream(context, async function* (scope) {
    const pace = new Pace(scope, perSecond)
    for await (const nodes of taskBatches(context, scope, { ...request, limit: maxNodes, pace })) {
      yield { cursor: endedCursor(nodes.at(-1) as TaskNode), nodes }
    }
  })
}

interface TaskBatchRequest extends TaskStreamRequest {
  limit: number
  pace: Pace | null
}

/** Never empty batches; ends when the run has ended and all is sent. */
async function* taskBatches(
  { engine, store }: ApiContext,
  scope: StreamScope,
  { run, after, limit, pace }: TaskBatchRequest,
): AsyncGenerator<TaskNode[], void, void> {
  const watch = scope.watch({ kind: 'tasks', run })
  let last = after
  do {
    await pace?.turn()
    // Read before the tasks: where the run has ended by then, the tasks read after it are all that there will be.
    const view = scope.closed ? null : await engine.run(run)
    if (view === null) return
    for (let full = true; full; ) {
      await pace?.turn()
      if (scope.closed) return
      const records = await store.tasksAfter(view.record.id, last, limit)
      // What is read of a run while it is deleted has holes: it is only told where the run is still there afterwards.
      if (isFinalRunStatus(view.record.status) && (await engine.run(run)) === null) return
      full = records.length === limit
      if (records.length === 0) break
      last = records.at(-1)?.sequence ?? last
      pace?.mark()
      yield taskNodes(engine, view, records)
    }
    if (isFinalRunStatus(view.record.status)) return
  } while ((await watch.next()) !== null)
}

function endedCursor({ run, record }: TaskNode): string {
  const { order, scope } = taskCursorForm(run.record.key, 'ENDED')
  return encodeCursor({ order, scope, position: [record.sequence] })
}

/** Runs as they are launched and change, each at its client's pace; goes on until the client goes. */
export function runsUpdates(context: ApiContext, filter: RunFilter, perSecond: number): AsyncIterableIterator<RunView> {
  return openStream(context, async function* (scope) {
    const watch = scope.watch({ kind: 'allRuns' })
    const changed = new RunCoalescer(context.clock, perSecond)
    let news = watch.next()
    while (!scope.closed) {
      for (let run = changed.take(); run !== null; run = changed.take()) {
        const view = await context.engine.run(run)
        if (view === null || !changed.isNews(run, view.progress.sequence)) continue
        if (!(await matchesRun(view.record, filter, context.store))) continue
        changed.mark(run, view.progress.sequence)
        yield view
      }
      const waitMs = changed.waitMs()
      const found = waitMs === null ? await news : await Promise.race([news, scope.sleep(waitMs)])
      if (found === null) return
      if (found !== undefined) {
        changed.note(found)
        news = watch.next()
      }
    }
  })
}
