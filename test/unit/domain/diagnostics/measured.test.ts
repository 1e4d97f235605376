/** What the rules say of runs that were measured. */

import { describe, expect, it } from 'vitest'
import { diagnose } from '../../../../src/domain/diagnostics.js'
import { measuredRuns } from '../../../support/stage-figures.js'

const RUNS = measuredRuns()
const codesOf = (run: (typeof RUNS)[number]) => diagnose(run.figures).map(({ code }) => code)

describe('diagnose', () => {
  const healthy = RUNS.filter(({ codes }) => codes.length === 0)
  const heldBack = RUNS.filter(({ codes }) => codes.length > 0)

  it('is tried on runs of every kind and strategy', () => {
    const shapes = new Set(
      healthy.map(({ figures: { kind, strategy, isChosen } }) => `${kind} ${strategy} ${isChosen}`),
    )
    for (const kind of ['COMPUTE', 'FETCH']) {
      for (const strategy of ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES']) {
        expect(shapes).toContain(`${kind} ${strategy} false`)
      }
      expect(shapes).toContain(`${kind} ASYNC true`)
    }
    expect(new Set(heldBack.flatMap(({ codes }) => codes)).size).toBe(6)
  })

  it.each(healthy.map((run) => [run.name, run] as const))('finds nothing in %s', (_name, run) => {
    expect(codesOf(run)).toEqual([])
  })

  it.each(heldBack.map((run) => [run.name, run] as const))('finds what held up %s', (_name, run) => {
    expect(codesOf(run)).toEqual(run.codes)
  })
})
