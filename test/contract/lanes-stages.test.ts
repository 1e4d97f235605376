/** What lanes promise of the stages of pipelines: what they take over, and what they hand over. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FetchOptions } from '../../src/domain/batch.js'
import type { StageLink } from '../../src/domain/hand-over.js'
import type { LaneKind } from '../../src/domain/strategy.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, grantOf, type Listener, Outcome } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { outputTexts } from '../support/outputs.js'

const WHOLE: StageLink = { to: 'COMPUTE', from: '', givesDetail: false }
const VALUE: StageLink = { ...WHOLE, from: '/value' }

/** By index, what succeeded items have handed over in a text of its own. */
function handedOver({ blocks }: Listener): Map<number, string | null> {
  return new Map(
    blocks.flatMap(({ columns }) => {
      const texts = outputTexts(columns.handedOver, columns.count)
      return Array.from(columns.indexes, (index, at): [number, string | null] => [index, texts[at] ?? null])
    }),
  )
}

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a lane of kind %s', (kind) => {
  const { gates, open } = laneSuite(kind)

  describe('of a compute between two stages', () => {
    const between = (more: Parameters<typeof computeJob>[0] = {}) =>
      open(computeJob({ takesOver: true, handsOver: VALUE, ...more }))
    const acts = (...values: object[]) => grantOf(values.map((value) => JSON.stringify(value)))

    it('computes with what the stage before gave, and hands over what the next one is to have', async () => {
      const { lane, listener } = await between()
      const value = { deep: [1, 'ü \u{1f9f5}', null] }
      lane.grant(
        acts(
          { do: 'echo', value: { value, other: 1 } },
          { do: 'echo', value: { value: 7 } },
          { do: 'fail', message: 'no' },
          { do: 'resolve', value: { value: 'later' } },
          { do: 'echo', value: {} },
        ),
      )
      const rows = await listener.untilRows(5)
      expect(rows.map(({ outcome }) => outcome)).toEqual([0, 0, Outcome.FAILED, 0, 0])
      expect(handedOver(listener)).toEqual(
        new Map([
          [0, JSON.stringify(value)],
          [1, '7'],
          [2, null],
          [3, '"later"'],
          // That fails it there, and not here.
          [4, '!"/value" points at nothing in what the stage before gave'],
        ]),
      )
      expect(rows[1]?.output).toBe('{"value":7}')
    })

    it('fails with INVALID_INPUT what was handed nothing, and what does not fit the function', async () => {
      const { lane, listener } = await between()
      const nothing = '!"/a" points at nothing in what the stage before gave'
      lane.grant(grantOf([nothing, '{"do":"no such act"}', '9007199254740993', '{"do":"context"}'], 40))
      const rows = await listener.untilRows(4)
      expect(rows.map(({ index, error }) => [index, error?.code ?? null])).toEqual([
        [40, 'INVALID_INPUT'],
        [41, 'INVALID_INPUT'],
        [42, 'INVALID_INPUT'],
        [43, null],
      ])
      expect(rows[0]?.error).toEqual({ code: 'INVALID_INPUT', message: nothing.slice(1), retryable: false })
      expect(rows[2]?.error?.message).toContain('9007199254740992')
      expect(rows[0]?.startedAt).toBeGreaterThan(0)
    })

    it('sends no output twice that is handed over whole', async () => {
      const { lane, listener } = await between({ handsOver: WHOLE })
      lane.grant(acts({ do: 'echo', value: [1] }, { do: 'fail', message: 'no' }))
      await listener.untilRows(2)
      expect(listener.blocks.map(({ columns }) => columns.handedOver)).toEqual(listener.blocks.map(() => null))
    })

    it('hands over as much as comes, in blocks that stay small', async () => {
      const { lane, listener } = await between({ takesOver: false, handsOver: VALUE })
      const value = 'x'.repeat(300_000)
      lane.grant(grantOf(Array.from({ length: 12 }, () => ({ do: 'echo', value: { value } }))))
      await listener.untilRows(12)
      expect([...handedOver(listener).values()]).toEqual(Array(12).fill(JSON.stringify(value)))
      for (const { columns } of listener.blocks)
        expect((columns.handedOver?.text.length ?? 0) + (columns.outputs?.text.length ?? 0)).toBeLessThan(2_500_000)
    })

    it('gives back what it has not started, and hands over nothing of it', async () => {
      const { lane, listener } = await between()
      lane.grant(acts(gates.input(`${kind}-between`), { do: 'echo', value: { value: 1 } }))
      await gates.reached(`${kind}-between`)
      lane.recall()
      await listener.untilRows(1)
      gates.open(`${kind}-between`)
      const rows = await listener.untilRows(2)
      expect(rows.map(({ index, outcome }) => [index, outcome])).toEqual([
        [1, Outcome.NOT_STARTED],
        [0, Outcome.SUCCEEDED],
      ])
      expect(handedOver(listener).get(1)).toBeNull()
    })
  })

  describe('of a fetch that has a stage after it', () => {
    let origin: Origin
    beforeAll(async () => {
      origin = await startOrigin()
    })
    afterAll(() => origin.close())

    const fetching = (bodyPolicy: FetchOptions['bodyPolicy'], handsOver: StageLink) => {
      const fetch = { bodyPolicy, maxBytes: 1e6, maxRedirects: 5, headers: [], okStatuses: null }
      const work = { kind: 'FETCH' as const, fetch, storesFor: null }
      return open(computeJob({ work, slots: 4, timeoutMs: 30_000, handsOver }))
    }

    it('hands over what is in the body, and nothing of what failed', async () => {
      const { lane, listener } = await fetching('JSON', { ...WHOLE, from: '/tags/1' })
      lane.grant(grantOf([`${origin.url}/json?i=1`, `${origin.url}/status?code=404`, `${origin.url}/echo`]))
      await listener.untilRows(3)
      expect(handedOver(listener)).toEqual(
        new Map([
          [0, '"beta"'],
          [1, null],
          [2, '!"/tags/1" points at nothing in what the stage before gave'],
        ]),
      )
    })

    it('hands over the body whole in its output, as JSON or as text', async () => {
      const { lane, listener } = await fetching('TEXT', WHOLE)
      lane.grant(grantOf([`${origin.url}/ok`]))
      const [row] = await listener.untilRows(1)
      expect([row?.output, [...handedOver(listener).values()]]).toEqual(['"ok"', [null]])
    })

    it('hands over what is known of it where it keeps no body', async () => {
      const { lane, listener } = await fetching('DISCARD', { ...WHOLE, givesDetail: true })
      lane.grant(grantOf([`${origin.url}/bytes?n=12`]))
      const [row] = await listener.untilRows(1)
      expect(row?.output).toBeNull()
      expect(JSON.parse(handedOver(listener).get(0) ?? '')).toEqual({
        url: `${origin.url}/bytes?n=12`,
        status: 200,
        bytes: 12,
        sha256: row?.fetch?.sha256,
        contentType: 'text/plain',
      })
    })

    it('hands over requests that can be sent', async () => {
      const { lane, listener } = await fetching('JSON', { to: 'FETCH', from: '/name', givesDetail: false })
      lane.grant(grantOf([`${origin.url}/json?i=1`]))
      await listener.untilRows(1)
      expect(handedOver(listener).get(0)).toMatch(/^!.*"item-1" is not an absolute URL/)
    })
  })
})
