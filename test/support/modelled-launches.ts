/** The launches of runs that a model knows, so made that it can be told whose work a lane has. */

import type { LaunchOptionsInput, LaunchOutcome, StageInput } from '../../src/engine/engine.js'
import type { Runs } from '../../src/engine/runs.js'
import type { JobSpec } from '../../src/lanes/protocol.js'
import type { ModelRun, Place } from './run-model.js'

/** A header that fetches carry; computes are told by the name of their function. */
const TAG = 'x-run'

export function launchOf(runs: Runs, model: ModelRun, options: LaunchOptionsInput): Promise<LaunchOutcome> {
  const { stages, items, isCompact } = model.blueprint
  const inputs = stages.map((_, stage) => stageInput(model, stage))
  const places = Array.from({ length: items }, (_, index) => ({ stage: 0, index }))
  const requests = places.map((place) => ({ url: model.urlOf(place), method: model.methodOf(place) }))
  const template = { template: 'http://host.example/{i}', from: 0, to: items - 1, step: 1 }
  const fetched = isCompact ? { template } : { requests }
  const computed = isCompact ? { range: { from: 0, to: items, step: 1 } } : { inputs: [...places.keys()] }
  const source = inputs[0]!.fetch ? fetched : computed
  if (stages.length > 1) return runs.launchPipeline({ source, stages: inputs, options }, '')
  const { fetch, compute } = inputs[0]!
  return fetch
    ? runs.launchFetch({ source: fetched, fetch: fetch.fetch, options }, '')
    : runs.launchCompute({ source: computed, function: compute!.function, options }, '')
}

/** Of the run and its stage. */
export function tagOf(work: JobSpec['work']): string {
  return work.kind === 'COMPUTE' ? work.function : work.fetch.headers.find(({ name }) => name === TAG)!.value
}

/** What the next stage, whatever it is, can have as its input. */
export function outputOf(model: ModelRun, { stage, index }: Place): string {
  return JSON.stringify(model.urlOf({ stage: stage + 1, index }))
}

function stageInput(model: ModelRun, stage: number): StageInput {
  const { kind, dedupe, perHostConcurrency } = model.blueprint.stages[stage]!
  const tag = model.tagOf(stage)
  if (kind === 'COMPUTE') return { compute: { function: tag } }
  const headers = [{ name: TAG, value: tag }]
  return { fetch: { fetch: { headers, dedupe, perHostConcurrency, bodyPolicy: 'TEXT' } } }
}
