import { describe, expect, it } from 'vitest'
import { BodyPolicy } from '../../../src/domain/batch.js'
import { toRunKey } from '../../../src/domain/ids.js'
import { toJobSpec } from '../../../src/engine/job.js'
import { batchSpec } from '../../support/engine-parts.js'

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
        { job: 1, slots: 1, maxOutputBytes: 1, tellsWaiting: false },
      )
      expect(work).toEqual({ kind: 'FETCH', fetch, storesFor: bodyPolicy === 'STORE' ? { run: key, stage: 0 } : null })
    },
  )
})
