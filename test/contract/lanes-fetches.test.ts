import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import type { JobSpec } from '../../src/lanes/protocol.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, eventually, grantOf, Listener, Outcome } from '../support/lanes.js'

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a lane of kind %s', (kind) => {
  const suite = laneSuite(kind)
  const { open } = suite

  describe('fetch jobs', () => {
    let origin: Server
    let url: string
    const open_: ServerResponse[] = []
    let closed = 0
    let connections = 0

    beforeAll(async () => {
      origin = createServer((request, response) => {
        if (request.url?.startsWith('/json')) {
          response.setHeader('content-type', 'application/json')
          response.end(JSON.stringify({ path: request.url, method: request.method }))
        } else if (request.url === '/busy') {
          response.writeHead(503, { 'retry-after': '7' }).end()
        } else {
          open_.push(response)
          response.on('close', () => {
            closed += 1
          })
        }
      })
      origin.on('connection', () => {
        connections += 1
      })
      origin.listen(0, '127.0.0.1')
      await once(origin, 'listening')
      url = `http://127.0.0.1:${(origin.address() as { port: number }).port}`
    })

    afterAll(() => {
      origin.closeAllConnections()
      origin.close()
    })

    function fetchJob(options: Partial<JobSpec> = {}): JobSpec {
      const fetch = { bodyPolicy: 'JSON' as const, maxBytes: 1e6, maxRedirects: 5, headers: [], okStatuses: null }
      return computeJob({ work: { kind: 'FETCH', fetch, storesFor: null }, slots: 8, timeoutMs: 30_000, ...options })
    }

    it('send what a template and a list say', async () => {
      const source = { kind: 'template' as const, template: `${url}/json/{i}`, from: 10, to: 1505, step: 5, count: 300 }
      const { lane, listener } = await open(fetchJob({ source }))
      lane.grant({ first: 0, count: 300, indexes: null, inputs: null, attempts: null })
      const rows = await listener.untilRows(300)
      expect(rows.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, at) => at))
      for (const { index, output, outcome, fetch, serviceMs } of rows) {
        expect(outcome).toBe(Outcome.SUCCEEDED)
        expect(JSON.parse(output!)).toEqual({ path: `/json/${10 + 5 * index}`, method: 'GET' })
        expect(fetch).toMatchObject({ url: `${url}/json/${10 + 5 * index}`, status: 200 })
        expect(serviceMs).toBeGreaterThan(0)
      }
      expect(connections).toBeLessThanOrEqual(8)

      const list = new Listener()
      lane.open(fetchJob(), list)
      const post = { url: `${url}/json/post`, method: 'POST', headers: [], body: 'x' }
      lane.grant(grantOf([`${url}/json/get`, post, `${url}/busy`]))
      await list.untilRows(3)
      const byIndex = list.rows.sort((a, b) => a.index - b.index)
      expect(byIndex.map(({ output }) => output && JSON.parse(output))).toEqual([
        { path: '/json/get', method: 'GET' },
        { path: '/json/post', method: 'POST' },
        null,
      ])
      expect(byIndex[2]!.error).toMatchObject({ code: 'HTTP_STATUS', retryable: true })
      const retries = list.blocks.flatMap(({ columns }) => columns.errors.map(({ retryAfterMs }) => retryAfterMs))
      expect(retries).toHaveLength(1)
      expect(retries[0]).toBeGreaterThan(6_000)
      // Connections outlive a job.
      expect(connections).toBeLessThanOrEqual(8)
    })

    it('are cancelled down to the socket', async () => {
      const { lane, listener } = await open(fetchJob({ slots: 2 }))
      lane.grant(grantOf([`${url}/hang/1`, `${url}/hang/2`, `${url}/hang/3`]))
      await eventually(() => open_.length === 2)
      expect(lane.inService().map(({ index }) => index)).toEqual([0, 1])
      lane.cancel()
      await listener.untilRows(3)
      await eventually(() => closed === 2)
      const outcomes = new Map(listener.rows.map(({ index, outcome }) => [index, outcome]))
      expect(outcomes).toEqual(
        new Map([
          [0, Outcome.CANCELLED],
          [1, Outcome.CANCELLED],
          [2, Outcome.NOT_STARTED],
        ]),
      )
      expect(listener.rows.map(({ fetch }) => fetch !== null)).toEqual(
        listener.rows.map(({ outcome }) => outcome === Outcome.CANCELLED),
      )
      expect(lane.inService()).toEqual([])
      open_.length = 0
    })

    it('cancelled before they could begin give everything back', async () => {
      const { lane, listener } = await open(fetchJob())
      lane.grant(grantOf([`${url}/hang/4`]))
      lane.cancel()
      await listener.untilRows(1)
      expect([Outcome.CANCELLED, Outcome.NOT_STARTED]).toContain(listener.rows[0]!.outcome)
    })
  })
})
