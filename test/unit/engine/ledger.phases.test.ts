import { describe, expect, it } from 'vitest'
import { type ByPhase, byPhase, noPhases, PHASES, unpackPhases } from '../../../src/domain/fetch-phases.js'
import { Outcome } from '../../../src/domain/results.js'
import { noTimes, queuedStages, type RunRecord } from '../../../src/domain/run.js'
import type { FetchDetail } from '../../../src/domain/task.js'
import { EXACT_LIMIT, type Moments } from '../../../src/domain/timing.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { batchSpec, COMPUTE, entryOf, FETCH, type ReportedTask, runRecord } from '../../support/engine-parts.js'
import { fetchDetail } from '../../support/store.js'

const opened: FetchDetail = { ...fetchDetail, dnsMs: 1, connectMs: 2, tlsMs: 4, firstByteMs: 8, downloadMs: 16 }
const kept: FetchDetail = { ...opened, dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: 10 }
const error = { code: 'TIMEOUT' as const, message: 'no', retryable: true }

const FETCHES = batchSpec({ kind: 'FETCH', stages: [FETCH] })
const PIPELINE = batchSpec({ kind: 'PIPELINE', stages: [COMPUTE, FETCH] })

function launched(spec = FETCHES): RunRecord {
  return runRecord({ spec, times: noTimes(spec.stages), stages: queuedStages(spec) })
}

function counts(phases: ByPhase<Moments> | undefined): number[] | undefined {
  return phases && PHASES.map((phase) => phases[phase].count)
}

describe('the phases of an entry', () => {
  it('are those of tasks that succeeded or failed, where they had them', () => {
    const { phases } = entryOf([
      { index: 0, fetch: opened },
      { index: 1, fetch: kept, error },
      { index: 2, fetch: opened, outcome: Outcome.CANCELLED },
      { index: 3, attempt: 0, fetch: opened },
      { index: 4 },
    ])
    expect(byPhase((phase) => [...phases!.columns[phase]])).toEqual({
      dns: [1],
      connect: [2],
      tls: [4],
      firstByte: [8, 10],
      download: [16, 16],
    })
    expect(phases!.moments.firstByte).toMatchObject({ count: 2, min: 8, max: 10, sum: 18 })
  })

  it('leave out attempts that are tried again, and are none of computes', () => {
    const { phases } = entryOf([{ index: 0, fetch: opened }], { dropped: new Set([0]) })
    expect(phases!.columns.download).toHaveLength(0)
    expect(entryOf([{ index: 0 }]).phases).toBeNull()
  })
})

describe('the phases of a run', () => {
  it('are counted in its times, and gathered', () => {
    const ledger = new Ledger(launched(), null)
    const entries = [entryOf([{ index: 0, fetch: opened }]), entryOf([{ index: 1, fetch: kept }])]
    expect(counts(ledger.advance(entries, {}).times.phases)).toEqual([1, 1, 1, 2, 2])
    ledger.acknowledge(entries)
    expect(ledger.times.phases!.distributions().firstByte.percentile(1)).toBe(10)
  })

  it('of a pipeline are those of its fetches', () => {
    const ledger = new Ledger(launched(PIPELINE), null)
    const entries = [entryOf([{ index: 0 }], { stage: 0 }), entryOf([{ index: 0, fetch: opened }], { stage: 1 })]
    const { times, stages } = ledger.advance(entries, {})
    ledger.acknowledge(entries)
    expect([times, ...stages!.map((stage) => stage.times)].map(({ phases }) => counts(phases)?.[0])).toEqual([
      1,
      undefined,
      1,
    ])
    expect(ledger.stageTimes.map(({ phases }) => phases?.distributions().dns.moments.count)).toEqual([undefined, 1])
  })

  it('stay unknown of one of which a part is', () => {
    const ledger = new Ledger(runRecord({ spec: FETCHES, times: noTimes() }), null)
    expect(ledger.advance([entryOf([{ index: 0, fetch: opened }])], {}).times.phases).toBeUndefined()
  })

  it('go on from what is stored', () => {
    const ledger = new Ledger(launched(), null)
    const phases = byPhase(() => Float64Array.of(30, 40))
    ledger.restore(0, { serviceMs: Float64Array.of(1, 2), queueWaitMs: Float64Array.of(1, 2), phases })
    expect(ledger.times.phases!.distributions().tls.percentile(1)).toBe(40)
  })

  it('are packed where there are too many tasks, the last ones included', () => {
    const ledger = new Ledger(launched(), null)
    const many: ReportedTask[] = Array.from({ length: EXACT_LIMIT }, (_, index) => ({ index, fetch: kept }))
    const first = [entryOf(many)]
    ledger.advance(first, {})
    ledger.acknowledge(first)
    const last = [entryOf([{ index: EXACT_LIMIT, fetch: opened }])]
    const { phases } = ledger.advance(last, {}).times
    const found = unpackPhases(ledger.sketchesWith(last)!.phases!, phases ?? noPhases())
    expect([found.dns.exact, found.dns.percentile(1), found.dns.moments.count]).toEqual([true, 1, 1])
    expect([found.download.exact, found.download.percentile(1)]).toEqual([false, 16])
  })
})
