import { describe, expect, it } from 'vitest'
import { BodyPolicy, type StageSpec } from '../../../src/domain/batch.js'
import { toRunKey } from '../../../src/domain/ids.js'
import { toJobSpec } from '../../../src/engine/job.js'
import { batchSpec, COMPUTE, FETCH, runRecord } from '../../support/engine-parts.js'

describe('toJobSpec', () => {
  it.each(Object.values(BodyPolicy))(
    'tells a lane for which run it stores bodies, with STORE alone: %s',
    (bodyPolicy) => {
      const key = toRunKey('ab'.repeat(16))
      const fetch = { bodyPolicy, maxBytes: 1, maxRedirects: 0, headers: [], okStatuses: null }
      const spec = batchSpec({ stages: [{ kind: 'FETCH', name: 'fetch', fetch }] })
      const { work } = toJobSpec(
        { key, spec },
        { stage: 0, file: null },
        { job: 1, slots: 1, maxOutputBytes: 1, tellsWaiting: false, isAwaited: false },
      )
      expect(work).toEqual({ kind: 'FETCH', fetch, storesFor: bodyPolicy === 'STORE' ? { run: key, stage: 0 } : null })
    },
  )

  const own = { job: 7, slots: 2, maxOutputBytes: 100, tellsWaiting: false, isAwaited: false }
  const FETCHES: StageSpec = { ...FETCH, from: '/url' }
  const source = { kind: 'range', from: 0, to: 10, step: 1, count: 10 } as const

  it('tells the lanes of a pipeline where inputs come from, and what is to be handed over', () => {
    const { key } = runRecord()
    const spec = batchSpec({ kind: 'PIPELINE', source, stages: [COMPUTE, FETCHES, { ...COMPUTE, from: '/a' }] })
    const jobs = spec.stages.map((_, stage) => toJobSpec({ key, spec }, { stage, file: null }, own))
    expect(jobs.map(({ takesOver, handsOver }) => [takesOver, handsOver])).toEqual([
      [false, { to: 'FETCH', from: '/url', givesDetail: false }],
      // Requests are handed out as they are: hosts and methods matter to the engine.
      [false, { to: 'COMPUTE', from: '/a', givesDetail: true }],
      [true, null],
    ])
    expect(jobs.map((job) => job.source)).toEqual([source, null, null])
    expect(jobs.map(({ timeoutMs }) => timeoutMs)).toEqual([null, 30_000, null])
  })

  it('stores bodies in the name of their stage', () => {
    const { key } = runRecord()
    const storing = { ...FETCH, fetch: { ...(FETCH as { fetch: object }).fetch, bodyPolicy: 'STORE' } } as StageSpec
    const spec = batchSpec({ kind: 'PIPELINE', source, stages: [COMPUTE, storing] })
    expect(toJobSpec({ key, spec }, { stage: 1, file: null }, own).work).toMatchObject({
      storesFor: { run: key, stage: 1 },
    })
  })

  it('reads the lines of a file in the first stage alone', () => {
    const { key } = runRecord()
    const lines = { kind: 'file', form: 'inputs', name: null, bytes: 9, sha256: '', count: 3 } as const
    const spec = batchSpec({ kind: 'PIPELINE', source: lines, stages: [COMPUTE, COMPUTE] })
    const file = { path: '/uploads/a', stretches: new Float64Array(0) }
    const jobs = spec.stages.map((_, stage) => toJobSpec({ key, spec }, { stage, file }, own))
    expect(jobs.map((job) => job.source)).toEqual([{ kind: 'file', ...file }, null])
    expect(() => toJobSpec({ key, spec }, { stage: 0, file: null }, own)).toThrow('nothing is known of it')
  })
})
