import { describe, expect, it } from 'vitest'
import type { Launch, RunResult } from '../../../src/demo/api.js'
import { DOCUMENTS, limitOf, NUMBERS, numberPath } from '../../../src/demo/documents.js'
import { playPipeline } from '../../../src/demo/pipeline.js'
import { runResult } from '../../support/demo-results.js'

const ORIGIN = 'http://127.0.0.1:1'

function sumOfSquares(n: number): string {
  const whole = BigInt(n)
  return String(((whole - 1n) * whole * (2n * whole - 1n)) / 6n)
}

const sums = Array.from({ length: NUMBERS }, (_, at) => ({
  stage: 1,
  index: at,
  output: sumOfSquares(limitOf(at + 1)),
}))
const fetches = Array.from({ length: NUMBERS }, (_, at) => ({
  stage: 0,
  index: at,
  output: { limit: limitOf(at + 1) },
}))

function timed(result: RunResult, wallMs: number): RunResult {
  return { ...result, timings: { wallMs, serviceTotalMs: 1, cpuMs: 1, meanConcurrency: 1 } }
}

async function play(pipeline: RunResult) {
  const launches: Launch[] = []
  const outcome = await playPipeline(async (launch, label) => {
    launches.push(launch)
    if (label === 'pipeline') return timed(pipeline, 700)
    return timed(runResult([]), label === 'fetches' ? 600 : 500)
  }, ORIGIN)
  return { launches, outcome }
}

describe('the example of a pipeline', () => {
  it('runs the stages apart and then together, over documents that the origin has', async () => {
    const { launches, outcome } = await play(runResult([...fetches, ...sums]))
    expect(launches.map(({ kind }) => kind)).toEqual(['fetch', 'compute', 'pipeline'])
    const template = `${ORIGIN}${numberPath('{i}')}?delayMs=100`
    expect(launches[2]?.input).toMatchObject({
      source: { template: { template, from: 1, to: NUMBERS } },
      stages: [{ fetch: { fetch: { bodyPolicy: 'JSON' } } }, { compute: { inputFrom: '/limit' } }],
    })
    for (let number = 1; number <= NUMBERS; number += 1) {
      const document = JSON.parse(String(DOCUMENTS.get(numberPath(number))?.body))
      expect(document).toEqual({ number, limit: limitOf(number) })
    }
    expect(outcome).toMatchObject({ apart: { fetchMs: 600, computeMs: 500 }, wallMs: 700, check: { ok: true } })
  })

  it('finds a sum in another place wrong', async () => {
    const swapped = sums.map((task, at) => ({ ...task, output: sums[at === 0 ? 1 : at]!.output }))
    const { outcome } = await play(runResult([...fetches, ...swapped]))
    expect(outcome.check).toEqual({ ok: false, message: expect.stringContaining('item 0 gave') })
  })
})
