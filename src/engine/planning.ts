/** What a launch would do, before it is launched: checked as one, counted, tried with a few tasks, and advised on. Nothing is kept. */

import type { CountRequest, ItemCount, ItemCounter, ItemUse } from '../counting/counter.js'
import { counted } from '../domain/advice.js'
import type { BatchSpec, StageSpec } from '../domain/batch.js'
import { adviseBatch, type PlannedStage } from '../domain/batch-advice.js'
import type { BatchPlan } from '../domain/plan.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import { type Execution, type ExecutionRequest, planExecution } from '../domain/strategy.js'
import { Underway } from '../domain/underway.js'
import type { UploadedFile } from '../domain/upload.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { LaneCosts } from '../lanes/lane.js'
import type { BatchInput, LaunchOptionsInput, PlanCall, Probing } from './engine.js'
import { type CheckedLaunch, type KnownWork, LaunchChecks } from './launch.js'
import type { LaunchLimits } from './limits.js'
import { Measure } from './measure.js'
import { MAX_PICKED, type ProbeResult, type Prober } from './probe.js'

type AskedExecution = Pick<ExecutionRequest, 'kind' | 'strategy' | 'concurrency' | 'lanes' | 'items'>

export interface PlannerOptions {
  limits: LaunchLimits & { defaultLanes: number; maxInFlight: number; cores: number }
  functions: FunctionCatalog
  counter: ItemCounter
  prober: Prober
  /** Of an uploaded file, by its name in the folder of uploads. */
  uploadPath(file: string): string
  /** Why a launch would be refused now, though nothing is wrong with it; empty where it would not. `path`: of the batch. */
  refusals(launch: CheckedLaunch, space: string, path: Path): Promise<readonly UserError[]>
  /** Requests in flight to a host at most, over all runs; null: no limit. */
  hostLimit(host: string): number | null
  /** Of threads. */
  laneCosts(): LaneCosts
  /** See ProbeFigures. */
  overheadMs(): number
}

const BATCH: Path = ['batch']
const NOTHING_COUNTED: ItemCount = {
  duplicates: 0,
  hosts: [],
  hostCount: 0,
  unsafe: 0,
  problems: [],
  problemCount: 0,
  picked: [],
}
const WITHOUT_PROBE: Record<Exclude<Probing, 'ALLOWED'>, string> = {
  DECLINED: 'Nothing was measured, as probe is false.',
  NOT_BY_GET: 'Nothing was measured: a request by GET neither runs functions nor sends requests.',
}

export class Planner {
  readonly #underway = new Underway()

  constructor(private readonly options: PlannerOptions) {}

  /** Rejects with the signal's reason once that is aborted, or the server leaves. */
  plan(batch: BatchInput, call: PlanCall): Promise<BatchPlan> {
    return this.#underway.run((signal) => this.#plan(batch, { ...call, signal }), call.signal)
  }

  /** Ends what is being planned; resolves when nothing of it is in any lane any more. Safe to call twice. */
  stop(): Promise<void> {
    return this.#underway.stop(new Error('the server is leaving'))
  }

  async #plan(batch: BatchInput, call: PlanCall): Promise<BatchPlan> {
    call.signal.throwIfAborted()
    const { limits, functions } = this.options
    const problems = new Problems()
    const { launch, known } = new LaunchChecks(limits, functions, problems).batch(batch, BATCH)
    const settle = known?.source.upload?.hold()
    try {
      const path = pathOf(batch)
      if (launch !== null) await this.#addRefusals(problems, { launch, path, space: call.space })
      const isRefused = problems.count > 0
      const count = known === null ? NOTHING_COUNTED : await this.#count(known, call.signal)
      addItemProblems(problems, count, [...path, 'source', known?.source.source.kind ?? ''])
      const advice = launch === null || isRefused ? null : await this.#advise({ batch, launch, count }, call)
      const { duplicates, hosts, hostCount } = count
      const total = known?.source.source.count ?? 0
      return { total, duplicates, hosts, hostCount, advice, userErrors: problems.list() }
    } finally {
      settle?.(false)
    }
  }

  async #addRefusals(
    problems: Problems,
    { launch, path, space }: { launch: CheckedLaunch; path: Path; space: string },
  ): Promise<void> {
    for (const { code, message, field, retryAfterMs } of await this.options.refusals(launch, space, path)) {
      problems.add(code, field, message, retryAfterMs)
    }
  }

  /** As far as the items are known. */
  async #count({ source: { source, items, upload }, stages }: KnownWork, signal: AbortSignal): Promise<ItemCount> {
    const { counter, limits } = this.options
    const [first] = stages
    const isWhole = items === null || items.length === source.count
    const max = items === null ? limits.maxItems : limits.maxInlineItems
    if (first === undefined || source.count === 0 || source.count > max || !isWhole) return NOTHING_COUNTED
    const picks = stages.length > 1 ? MAX_PICKED.PIPELINE : MAX_PICKED[first.kind]
    return counter.count({ source, items, file: fileOf(upload), use: this.#useOf(first), picks }, signal)
  }

  #useOf(stage: StageSpec): ItemUse {
    if (stage.kind === 'FETCH') return { kind: 'FETCH', headers: stage.fetch.headers }
    const known = this.options.functions.list().find(({ name }) => name === stage.function)
    return { kind: 'COMPUTE', inputSchema: known?.inputSchema ?? null }
  }

  async #advise(
    { batch, launch, count }: { batch: BatchInput; launch: CheckedLaunch; count: ItemCount },
    call: PlanCall,
  ): Promise<BatchPlan['advice']> {
    const { spec } = launch
    const asked = askedOf(batch, spec)
    const concurrency = asked.map((one) => this.#execution(one, 'AUTO').concurrency)
    const { measures, notes } = await this.#probe({ launch, count, concurrency }, call)
    const stages = spec.stages.map((_, stage) =>
      this.#stage(stage, { spec, count, asked: asked[stage]!, measure: measures[stage] ?? new Measure() }),
    )
    return adviseBatch({ stages, items: spec.source.count, cores: this.options.limits.cores, notes })
  }

  async #probe(
    { launch, count, concurrency }: { launch: CheckedLaunch; count: ItemCount; concurrency: number[] },
    { probing, signal }: PlanCall,
  ): Promise<ProbeResult> {
    const { spec, items } = launch
    if (probing !== 'ALLOWED') return { measures: [], notes: [WITHOUT_PROBE[probing]] }
    const unsent = unsentNotes(count, spec.source.count)
    if (count.picked.length === 0)
      return { measures: [], notes: [...unsent, 'No item could be tried: nothing was measured.'] }
    const file = fileOf(launch.upload)
    const request = {
      spec,
      items,
      picked: count.picked,
      file: file && { path: this.options.uploadPath(file.file), stretches: file.stretches },
      concurrency,
    }
    const { measures, notes } = await this.options.prober.probe(request, signal)
    return { measures, notes: [...unsent, ...notes] }
  }

  /** What is asked for, with a strategy that may not be. */
  #execution(asked: AskedExecution, strategy: 'AUTO' | 'THREADS' | 'ASYNC'): Execution {
    const { defaultLanes, maxInFlight } = this.options.limits
    return planExecution({ ...asked, strategy, defaultLanes, maxInFlight })
  }

  #stage(
    stage: number,
    { spec, count, asked, measure }: { spec: BatchSpec; count: ItemCount; asked: AskedExecution; measure: Measure },
  ): PlannedStage {
    const { limits, laneCosts, overheadMs } = this.options
    const work = spec.stages[stage]!
    const common = { name: work.name, asked: asked.strategy, trials: measure.trials }
    const items = spec.source.count
    const costs = laneCosts()
    // The first lane of a run takes an idle one, too.
    const surroundings = { costs: { ...costs, idle: costs.idle - 1 }, overheadMs: overheadMs() }
    const execution = (strategy: 'AUTO' | 'THREADS' | 'ASYNC') => this.#execution(asked, strategy)
    if (work.kind === 'COMPUTE') {
      const options = { items, threads: execution('THREADS'), async: execution('ASYNC'), cores: limits.cores }
      return { ...common, kind: 'COMPUTE', options, figures: measure.computeFigures({ left: items, ...surroundings }) }
    }
    const requests = work.fetch.dedupe === true && stage === 0 ? items - count.duplicates : items
    const busiest = stage === 0 ? count.hosts[0] : undefined
    return {
      ...common,
      kind: 'FETCH',
      execution: execution('AUTO'),
      busiestHost: busiest?.host ?? null,
      load: {
        requests,
        concurrency: execution('AUTO').concurrency,
        // Of repeated requests it is not known where they go: each host is taken to have its part of them.
        mostToOneHost: Math.ceil((busiest?.items ?? items) * (requests / items)),
        perHostConcurrency: work.fetch.perHostConcurrency ?? null,
        // Where later stages go is not known.
        serverHostConcurrency: busiest ? this.options.hostLimit(busiest.host) : null,
        perHostRate: work.fetch.perHostRate ?? null,
      },
      figures: measure.fetchFigures({ left: requests, ...surroundings }),
    }
  }
}

function fileOf(upload: UploadedFile | null): CountRequest['file'] {
  if (upload?.content.kind !== 'lines') return null
  return { file: upload.content.file, stretches: upload.content.table.stretches }
}

function addItemProblems(problems: Problems, { problems: told, problemCount }: ItemCount, path: Path): void {
  for (const { index, path: within, message } of told) problems.add('INVALID', [...path, index, ...within], message)
  problems.addUnnamed(problemCount - told.length)
}

function unsentNotes({ unsafe }: ItemCount, total: number): string[] {
  if (unsafe === 0) return []
  const requests = `${unsafe} of ${counted(total, 'request')}`
  return [
    unsafe === 1
      ? `${requests} has a method that may change something where it goes: it is not sent for a plan.`
      : `${requests} have a method that may change something where they go: none of them is sent for a plan.`,
  ]
}

function pathOf({ fetch, compute }: BatchInput): Path {
  return [...BATCH, fetch ? 'fetch' : compute ? 'compute' : 'pipeline']
}

/** What the batch asks for by itself: what is filled in for its strategy is not for the one that suits. */
function askedOf(
  { fetch, compute, pipeline }: BatchInput,
  { stages, source, strategy, lanes }: BatchSpec,
): AskedExecution[] {
  const options: LaunchOptionsInput = (fetch ?? compute ?? pipeline)?.options ?? {}
  return stages.map((stage, at) => {
    const own = pipeline?.stages[at]
    return {
      kind: stage.kind,
      strategy: stage.strategy ?? strategy,
      concurrency: (own?.fetch ?? own?.compute)?.concurrency ?? options.concurrency ?? null,
      lanes,
      items: source.count,
    }
  })
}
