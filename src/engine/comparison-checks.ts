/** From what a client sent to the runs of a comparison: one batch, checked once, under each of its strategies. */

import type { AskedStrategy, BatchSpec } from '../domain/batch.js'
import { type Path, Problems, type UserError } from '../domain/problems.js'
import { defaultConcurrency, type Strategy } from '../domain/strategy.js'
import type { FunctionCatalog } from '../functions/function.js'
import { Checker } from './checks.js'
import type { BatchInput, LaunchComparisonInput, LaunchOptionsInput, StageInput } from './engine.js'
import { type CheckedLaunch, hashOf, LaunchChecks } from './launch.js'
import { type LaunchLimits, MAX_COMPARED_RUNS, MAX_ROUNDS } from './limits.js'

/** A comparison that can be written down. */
export interface CheckedComparison {
  name: string | null
  rounds: number
  strategies: AskedStrategy[]
  /** What a run of each is, in the order of the strategies. */
  specs: BatchSpec[]
  /** The batch: its items or its file, and the idempotency key with the hash of the whole comparison. */
  launch: CheckedLaunch
  /** Where the source is in what the client sent. */
  sourcePath: Path
}

export type ComparisonCheckResult =
  | { comparison: CheckedComparison; userErrors: null }
  | { comparison: null; userErrors: UserError[] }

const INPUT: Path = ['input']

export function checkComparison(
  input: LaunchComparisonInput,
  limits: LaunchLimits,
  functions: FunctionCatalog,
): ComparisonCheckResult {
  const problems = new Problems()
  const check = new Checker(problems)
  const strategies = checkStrategies(check, input.strategies)
  const rounds = check.whole(input.rounds, [...INPUT, 'rounds'], [1, MAX_ROUNDS]) ?? 1
  checkRuns(problems, strategies.length, rounds)
  const ownName = check.text(input.name, [...INPUT, 'name'])
  const batch = withoutStrategy(input.batch)
  const { launch } = new LaunchChecks(limits, functions, problems).batch(batch, [...INPUT, 'batch'])
  if (launch === null || problems.count > 0) return { comparison: null, userErrors: problems.list() }
  const name = ownName ?? launch.spec.name
  const specs = strategies.map((strategy) => specUnder(strategy, batch, { ...launch.spec, name }))
  const inputHash = hashOf({ comparison: launch.inputHash, specs, rounds })
  const sourcePath = [...INPUT, 'batch', kindOf(batch), 'source']
  const comparison = { name, rounds, strategies, specs, launch: { ...launch, inputHash }, sourcePath }
  return { comparison, userErrors: null }
}

function checkStrategies(check: Checker, asked: readonly Strategy[]): AskedStrategy[] {
  const path = [...INPUT, 'strategies']
  if (asked.length === 0) check.invalid(path, [], 'a list of at least one strategy')
  return asked.flatMap((strategy, at) => {
    const checked = check.strategy(strategy, [...path, at])
    if (asked.indexOf(strategy) < at) check.problems.add('INVALID', [...path, at], `${strategy} is there twice`)
    return checked ?? []
  })
}

function checkRuns(problems: Problems, strategies: number, rounds: number): void {
  const runs = strategies * rounds
  if (rounds > MAX_ROUNDS || runs <= MAX_COMPARED_RUNS) return
  const message = `${rounds} rounds of ${strategies} strategies are ${runs} runs, more than ${MAX_COMPARED_RUNS}`
  problems.add('INVALID', [...INPUT, 'rounds'], message)
}

function kindOf({ fetch, compute }: BatchInput): keyof BatchInput {
  return fetch ? 'fetch' : compute ? 'compute' : 'pipeline'
}

function optionsOf({ fetch, compute, pipeline }: BatchInput): LaunchOptionsInput {
  return (fetch ?? compute ?? pipeline)?.options ?? {}
}

/** Those that are compared stand in the place of what the batch, or a stage of it, asks for: it is not even looked at. */
function withoutStrategy({ fetch, compute, pipeline }: BatchInput): BatchInput {
  const without = <Input extends { options?: LaunchOptionsInput | null | undefined }>(input: Input): Input =>
    input.options ? { ...input, options: { ...input.options, strategy: null } } : input
  if (fetch) return { fetch: without(fetch) }
  if (compute) return { compute: without(compute) }
  return pipeline ? { pipeline: { ...without(pipeline), stages: pipeline.stages.map(stageWithoutStrategy) } } : {}
}

function stageWithoutStrategy({ fetch, compute }: StageInput): StageInput {
  if (fetch) return { fetch: { ...fetch, strategy: null } }
  return compute ? { compute: { ...compute, strategy: null } } : {}
}

/** What is in flight follows from the strategy, where the batch does not say it. */
function specUnder(strategy: AskedStrategy, batch: BatchInput, spec: BatchSpec): BatchSpec {
  const asked = optionsOf(batch).concurrency ?? null
  if (spec.kind !== 'PIPELINE') {
    return { ...spec, strategy, concurrency: asked ?? defaultConcurrency(strategy, spec.kind) }
  }
  const stages = spec.stages.map((stage, at) => {
    const given = batch.pipeline?.stages[at]
    const own = (given?.fetch ?? given?.compute)?.concurrency ?? asked
    return { ...stage, strategy, concurrency: own ?? defaultConcurrency(strategy, stage.kind) }
  })
  return { ...spec, strategy, stages }
}
