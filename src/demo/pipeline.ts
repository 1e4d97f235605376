/** The chapter's mixed example: what was fetched is computed with while the rest is still on its way. */

import type { Launch, RunResult, StageResult } from './api.js'
import { limitOf, NUMBERS, numberPath } from './documents.js'
import { compared, compute, sumOfSquaresBelow } from './examples.js'
import type { Check } from './figures.js'
import type { LaneTimeline } from './lanes-picture.js'

const AT_ONCE = 10
const DELAY_MS = 100

export const PIPELINE = {
  title: 'A pipeline',
  about: `${NUMBERS} documents that take ${DELAY_MS} ms each, ${AT_ONCE} at a time, and a sum to compute with the number in each: first one stage after the other, then as a pipeline.`,
} as const

export interface PipelineOutcome {
  title: string
  about: string
  /** The stages as batches of their own, the second one launched when the first had ended. */
  apart: { fetchMs: number; computeMs: number }
  /** Of the pipeline. */
  wallMs: number
  stages: StageResult[]
  timeline: LaneTimeline[]
  check: Check
}

/** Launches a batch, and answers when it has ended. `label`: what to show of it. */
export type Play = (launch: Launch, label: string) => Promise<RunResult>

export async function playPipeline(play: Play, origin: string): Promise<PipelineOutcome> {
  const source = { template: { template: `${origin}${numberPath('{i}')}?delayMs=${DELAY_MS}`, from: 1, to: NUMBERS } }
  const fetch = { bodyPolicy: 'JSON' }
  const numbers = Array.from({ length: NUMBERS }, (_, at) => at + 1)
  const fetched = await play(
    { kind: 'fetch', input: { source, fetch, options: { name: 'demo: fetches', concurrency: AT_ONCE } } },
    'fetches',
  )
  const computed = await play(
    compute('sumOfSquares', numbers.map(limitOf), { name: 'demo: computes', strategy: 'THREADS' }),
    'computes',
  )
  const stages = [
    { fetch: { fetch, concurrency: AT_ONCE } },
    { compute: { function: 'sumOfSquares', inputFrom: '/limit', strategy: 'THREADS' } },
  ]
  const result = await play(
    { kind: 'pipeline', input: { source, stages, options: { name: 'demo: pipeline' } } },
    'pipeline',
  )
  return {
    ...PIPELINE,
    apart: { fetchMs: wallOf(fetched), computeMs: wallOf(computed) },
    wallMs: wallOf(result),
    stages: result.stages,
    timeline: result.timeline,
    check: checkOf(result, numbers),
  }
}

/** The outputs of the last stage, each under the index of the document that it was made of. */
function checkOf(result: RunResult, numbers: readonly number[]): Check {
  const last = result.tasks.nodes.filter(({ stage }) => stage === 1)
  const expected = numbers.map((number) => String(sumOfSquaresBelow(BigInt(limitOf(number)))))
  return compared({ ...result, tasks: { nodes: last } }, expected, {
    found: (at) => String(last[at]?.output),
    right: `${numbers.length} sums, each exact and in its place`,
  })
}

function wallOf({ timings }: RunResult): number {
  if (timings === null) throw new Error('no task of the run ended')
  return timings.wallMs
}
