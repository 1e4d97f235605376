import { describe, expect, it } from 'vitest'
import { runId, toRunKey } from '../../../src/domain/ids.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const COMPARE = `query($baseline: ID!, $candidate: ID!, $stage: Int, $host: String) {
  compareRuns(baseline: $baseline, candidate: $candidate, stage: $stage, host: $host) {
    baseline { id } candidate { id } baselineTasks candidateTasks baselineMedianMs candidateMedianMs
    ratio ratioLow ratioHigh pValue verdict
  }
}`

/** Two runs, and what comparing them comes to. */
function compared() {
  const services = testServices()
  const [baseline, candidate] = [services.runs.add(), services.runs.add()]
  const figures = {
    baselineTasks: 200,
    candidateTasks: 150,
    baselineMedianMs: 10,
    candidateMedianMs: 15,
    ratio: 1.5,
    ratioLow: 1.4,
    ratioHigh: 1.6,
    pValue: 1e-12,
    verdict: 'It took longer.',
  }
  services.runs.runComparison = {
    ...figures,
    leastPValue: 0,
    candidateLonger: 0.9,
    baseline: services.engine.view(baseline),
    candidate: services.engine.view(candidate),
  }
  return { services, baseline, candidate, figures }
}

describe('compareRuns', () => {
  it('tells both runs and what comparing them came to', async () => {
    const { services, baseline, candidate, figures } = compared()
    const ids = { baseline: runId(baseline.key), candidate: runId(candidate.key) }
    const { data } = await execute(services, COMPARE, ids)
    expect(data.compareRuns).toEqual({ baseline: { id: ids.baseline }, candidate: { id: ids.candidate }, ...figures })
    await execute(services, COMPARE, { ...ids, stage: 1, host: 'a.example' })
    expect(services.runs.asked).toEqual([
      { name: 'compareRuns', args: [baseline.key, candidate.key, { stage: null, host: null }] },
      { name: 'compareRuns', args: [baseline.key, candidate.key, { stage: 1, host: 'a.example' }] },
    ])
  })

  it('is null for what is no id of a run, and where there is nothing to compare', async () => {
    const { services, baseline } = compared()
    const id = runId(baseline.key)
    for (const other of ['x', `task_${baseline.key}_0_0`]) {
      expect((await execute(services, COMPARE, { baseline: id, candidate: other })).data.compareRuns).toBeNull()
      expect((await execute(services, COMPARE, { baseline: other, candidate: id })).data.compareRuns).toBeNull()
    }
    expect(services.runs.asked).toEqual([])
    services.runs.runComparison = null
    const gone = runId(toRunKey('f'.repeat(32)))
    const { data, codes } = await execute(services, COMPARE, { baseline: id, candidate: gone })
    expect([data.compareRuns, codes]).toEqual([null, []])
  })

  it.each([-1, 100, -2147483648])('refuses a stage that no run has: %i', async (stage) => {
    const { services, baseline } = compared()
    const id = runId(baseline.key)
    const { codes, messages } = await execute(services, COMPARE, { baseline: id, candidate: id, stage })
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages).toEqual([`stage: ${stage} is out of range: expected 0 to 99`])
  })
})
