/** Writes checked launches down, or finds what was launched before under their keys. */

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { BatchSpec } from '../domain/batch.js'
import { toRunKey } from '../domain/ids.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import type { RunRecord } from '../domain/run.js'
import type { CreatedRun, Store } from '../store/store.js'
import type { Admission } from './admission.js'
import type { LaunchOutcome, RunView } from './engine.js'
import { type CheckedLaunch, type CheckResult, fileOf, idempotencyOf } from './launch.js'
import type { QueueLimit } from './queue-limit.js'

interface Options {
  store: Pick<Store, 'createRun' | 'earlierRun' | 'synced'>
  clock: Clock
  queue: Pick<QueueLimit, 'refusal'>
  admission: Admission
  /** Writes something new down: not while the disk is in trouble. */
  creating<T>(work: () => Promise<T>): Promise<T>
  /** Does what writes, and takes note where it fails. */
  writing<T>(work: () => Promise<T>): Promise<T>
  /** Carries a run out that has just been written down. */
  execute(run: RunRecord): Promise<void>
  view(run: RunRecord): RunView
}

/** Where the input of a launch is. */
const INPUT: Path = ['input']

export class Launches {
  constructor(private readonly options: Options) {}

  async launch({ launch, userErrors }: CheckResult, space: string): Promise<LaunchOutcome> {
    if (launch === null) return { run: null, deduplicated: false, userErrors }
    const { admission, store, writing, view } = this.options
    const { created, userErrors: refused } = await admission.admit({
      tasks: tasksOf(launch.spec),
      path: [...INPUT, 'source'],
      idempotency: idempotencyOf(launch, space),
      earlier: (idempotency) => store.earlierRun(idempotency),
      write: () => this.#create(launch, space),
    })
    if (created === null) return { run: null, deduplicated: false, userErrors: refused }
    if (created.outcome === 'conflict') return { run: null, deduplicated: false, userErrors: conflict(launch, INPUT) }
    await writing(() => store.synced())
    return { run: view(created.run), deduplicated: created.outcome === 'existing', userErrors: [] }
  }

  /** See PlannerOptions. */
  async refusals(launch: CheckedLaunch, space: string, path: Path): Promise<readonly UserError[]> {
    const earlier = await this.#earlier(launch, space)
    if (earlier !== null) return earlier.outcome === 'conflict' ? conflict(launch, path) : []
    return this.options.queue.refusal(tasksOf(launch.spec), [...path, 'source']) ?? []
  }

  async #earlier(launch: CheckedLaunch, space: string): Promise<CreatedRun | null> {
    const idempotency = idempotencyOf(launch, space)
    return idempotency && this.options.store.earlierRun(idempotency)
  }

  async #create(launch: CheckedLaunch, space: string): Promise<CreatedRun> {
    const { store, clock, execute, creating } = this.options
    const { spec, items, upload } = launch
    const idempotency = idempotencyOf(launch, space)
    const settle = upload?.hold()
    let isKept = false
    try {
      const key = toRunKey(randomUUID())
      const run = { key, spec, items, file: fileOf(launch), idempotency, createdAt: clock.now() }
      const created = await creating(() => store.createRun(run))
      isKept = created.outcome === 'created'
      if (isKept) await execute(created.run)
      return created
    } finally {
      settle?.(isKept)
    }
  }
}

/** An item is a task in each stage. */
function tasksOf({ source, stages }: BatchSpec): number {
  return source.count * stages.length
}

/** The key belongs to a run with another input. */
function conflict({ idempotencyKey }: CheckedLaunch, path: Path): UserError[] {
  const problems = new Problems()
  const message = `the idempotency key "${idempotencyKey}" belongs to a run with another input`
  problems.add('IDEMPOTENCY_CONFLICT', [...path, 'options', 'idempotencyKey'], message)
  return problems.list()
}
