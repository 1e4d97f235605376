import { describe, expect, it } from 'vitest'
import { byPhase, momentsOf, PhaseTimes } from '../../../src/domain/fetch-phases.js'
import { noTimes, queuedStages, type RunRecord, type RunTimes } from '../../../src/domain/run.js'
import { EXACT_LIMIT, emptyMoments } from '../../../src/domain/timing.js'
import { Ledger } from '../../../src/engine/ledger.js'
import { Meters } from '../../../src/engine/rate.js'
import { Views } from '../../../src/engine/views.js'
import type { Store } from '../../../src/store/store.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, COMPUTE, entryOf, FETCH, runRecord } from '../../support/engine-parts.js'
import { fetchDetail } from '../../support/store.js'

const FETCHES = batchSpec({ kind: 'FETCH', stages: [FETCH] })
const columns = byPhase((phase) => (phase === 'tls' ? new Float64Array() : Float64Array.of(5, 1, 3)))

function setup(answers: Partial<Pick<Store, 'phaseTimes' | 'sketches'>> = {}) {
  const asked: (number | null)[] = []
  const phaseTimes: Store['phaseTimes'] = async (_runId, stage) => {
    asked.push(stage)
    return structuredClone(columns)
  }
  const views = new Views({ phaseTimes, ...answers } as unknown as Store, new ManualClock())
  return { views, asked }
}

function timesOf(count: number, changes: Partial<RunTimes> = {}): RunTimes {
  return { ...noTimes([FETCH]), service: { ...emptyMoments(), count }, phases: momentsOf(columns), ...changes }
}

function ended(changes: Partial<RunRecord> = {}): RunRecord {
  return runRecord({ status: 'SUCCEEDED', spec: FETCHES, times: timesOf(3), ...changes })
}

describe('Views.phases', () => {
  it('reads an ended run once, and again after it was forgotten', async () => {
    const { views, asked } = setup()
    const run = views.view(ended(), null)
    for (let time = 0; time < 2; time += 1) {
      const { dns, tls } = (await views.phases(run, null, null))!
      expect([dns.exact, dns.percentile(0), dns.percentile(0.5), dns.percentile(1)]).toEqual([true, 1, 3, 5])
      expect([tls.moments.count, tls.percentile(0.5)]).toEqual([0, 0])
    }
    expect(asked).toEqual([null])
    views.forget(run.record.id)
    await views.phases(run, 0, null)
    expect(asked).toEqual([null, null])
  })

  it('has none where nothing was fetched', async () => {
    const { views, asked } = setup()
    for (const record of [ended({ spec: batchSpec() }), ended({ times: timesOf(0) })])
      expect(await views.phases(views.view(record, null), null, null)).toBeNull()
    expect(asked).toEqual([])
  })

  it('tells of the stages of a pipeline which ones fetch', async () => {
    const { views, asked } = setup()
    const spec = batchSpec({ kind: 'PIPELINE', stages: [COMPUTE, FETCH] })
    const stages = queuedStages(spec)!.map((stage) => ({ ...stage, times: timesOf(3) }))
    const run = views.view(ended({ spec, stages }), null)
    expect(await views.phases(run, 0, null)).toBeNull()
    expect((await views.phases(run, 1, null))?.connect.moments.count).toBe(3)
    expect((await views.phases(run, null, null))?.connect.moments.count).toBe(3)
    expect(asked).toEqual([1, null])
  })

  it('takes a run under way from its books', async () => {
    const { views, asked } = setup()
    const record = runRecord({ status: 'RUNNING', spec: FETCHES, times: noTimes([FETCH]) })
    const ledger = new Ledger(record, null)
    const entries = [entryOf([{ index: 0, fetch: { ...fetchDetail, firstByteMs: 7 } }])]
    ledger.advance(entries, {})
    ledger.acknowledge(entries)
    const meters = new Meters(new ManualClock(), record)
    const live = { record, ledger, meters, running: 0, runningIn: () => 0, sequence: 1 }
    expect((await views.phases(views.view(record, live), null, live))?.firstByte.percentile(1)).toBe(7)
    expect(asked).toEqual([])
  })

  it('counts the rows of a run that is older than phases are', async () => {
    const { phases: _, ...times } = timesOf(3)
    const { views } = setup()
    const found = await views.phases(views.view(ended({ times }), null), null, null)
    expect(found?.download.moments).toMatchObject({ count: 3, sum: 9 })
  })

  it('unpacks those of a run of more tasks than are kept exactly; of an older one they are not known', async () => {
    const gathered = new PhaseTimes()
    gathered.add(columns)
    const sketches = async () => ({
      service: new Uint8Array(),
      queueWait: new Uint8Array(),
      phases: gathered.packedWith([]),
    })
    const { views, asked } = setup({ sketches })
    const times = timesOf(EXACT_LIMIT + 1)
    expect((await views.phases(views.view(ended({ times }), null), null, null))?.dns.percentile(0.5)).toBe(3)
    const { phases: _, ...older } = times
    expect(await views.phases(views.view(ended({ times: older }), null), null, null)).toBeNull()
    expect(asked).toEqual([])
  })
})
