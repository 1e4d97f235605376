/** What was asked at launch, as Run.request tells it: the shape of the launch's input, defaults filled in. */

import type { BatchSpec, Json, Source, StageSpec } from '../domain/batch.js'
import { maskHeaders, maskUrl } from '../domain/secrets.js'

/** A list is told by its count, a file by what it is and not by its lines; secrets are masked. */
export function requestOf(spec: BatchSpec): Json {
  const { source, stages, kind, ...options } = spec
  const work = kind === 'PIPELINE' ? { stages: stages.map(pipelineStageOf) } : Object.assign({}, ...stages.map(stageOf))
  return { source: sourceOf(source), ...work, options: toJson({ ...LATER_BATCH_OPTIONS, ...options }) }
}

function sourceOf(source: Source): Json {
  switch (source.kind) {
    case 'list':
      return { [source.form]: source.count }
    case 'template': {
      const { template, from, to, step, count } = source
      return { template: { template: maskUrl(template), from, to, step, count } }
    }
    case 'range': {
      const { from, to, step, count } = source
      return { range: { from, to, step, count } }
    }
    case 'file': {
      const { name, bytes, sha256, count } = source
      return { file: { name, bytes, sha256, count } }
    }
  }
}

/** Left out where there is none. */
const LATER_BATCH_OPTIONS = { budget: null }
/** Of launches that are older than these options. */
const LATER_OPTIONS = { perHostConcurrency: null, perHostRate: null, dedupe: false }

function stageOf(stage: StageSpec): { [key: string]: Json } {
  if (stage.kind === 'FETCH') {
    return { fetch: toJson({ ...LATER_OPTIONS, ...stage.fetch, headers: maskHeaders(stage.fetch.headers) }) }
  }
  return { function: stage.function, chunkSize: stage.chunkSize, reduce: stage.reduce }
}

/** In the shape of StageInput. */
function pipelineStageOf(stage: StageSpec): Json {
  const { name, from = '', concurrency = null, strategy = 'AUTO' } = stage
  if (stage.kind === 'FETCH') return { fetch: { name, ...stageOf(stage), urlFrom: from, concurrency, strategy } }
  return { compute: { name, function: stage.function, inputFrom: from, concurrency, strategy } }
}

/** Interfaces have no index signature, which Json asks for; these are plain data all the same. */
function toJson(value: object): Json {
  return value as Json
}
