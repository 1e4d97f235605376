import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import type { Har } from 'har-format'
import { describe, expect, it } from 'vitest'
import type { ExportedTask } from '../../../../src/domain/exports/export.js'
import { HarText } from '../../../../src/domain/exports/har.js'
import { exportedRun, exportedTask, FETCHED, FETCHING, PIPELINE } from '../../../support/exported.js'

const ajv = new Ajv({
  strict: false,
  formats: { 'date-time': true, uri: (text) => URL.canParse(text), ipv4: true, ipv6: true },
})
// They name an older draft, whose words they use alike.
const schemas: Record<string, object> = createRequire(import.meta.url)('har-schema')
for (const schema of Object.values(schemas)) ajv.addSchema(Object.assign({}, schema, { $schema: undefined }) as object)
const isHar = ajv.getSchema('har.json#')!

function harOf(tasks: ExportedTask[], run = exportedRun(FETCHING)): Har {
  const text = new HarText(run, '1.2.3')
  const har = JSON.parse(text.head() + tasks.map((task) => text.tasks([task])).join('') + text.end()) as Har
  expect(isHar(har) ? [] : isHar.errors).toEqual([])
  return har
}

const entryOf = (task: ExportedTask) => harOf([task]).log.entries[0]!

const REQUEST = {
  url: 'https://***@example.com/a?x=1&y=%20z',
  method: 'POST',
  headers: [
    { name: 'content-type', value: 'text/plain' },
    { name: 'accept', value: 'text/html' },
  ],
  body: 'ä',
}

describe('HAR', () => {
  it('is one page, the run, and an entry for each fetch', () => {
    const tasks = [0, 1, 2].map((index) => exportedTask({ index, fetch: FETCHED }, REQUEST))
    const { log } = harOf(tasks, exportedRun({ ...FETCHING, name: 'nightly' }))
    expect(log).toMatchObject({
      version: '1.2',
      creator: { name: 'Heddle', version: '1.2.3' },
      pages: [
        { id: 'run_0123456789abcdef0123456789abcdef', title: 'nightly', startedDateTime: '2023-11-14T22:13:20.000Z' },
      ],
    })
    expect(log.entries).toHaveLength(3)
    expect(log.entries.every(({ pageref }) => pageref === log.pages?.[0]?.id)).toBe(true)
  })

  it('has what was sent, with the headers of all layers and without secrets, and what came back', () => {
    const entry = entryOf(exportedTask({ fetch: FETCHED }, REQUEST))
    expect(entry.request).toEqual({
      method: 'POST',
      url: REQUEST.url,
      httpVersion: 'HTTP/1.1',
      cookies: [],
      headers: [
        { name: 'accept', value: 'text/html' },
        { name: 'accept-encoding', value: 'gzip, deflate, br' },
        { name: 'Authorization', value: '***' },
        { name: 'content-type', value: 'text/plain' },
      ],
      queryString: [
        { name: 'x', value: '1' },
        { name: 'y', value: ' z' },
      ],
      headersSize: -1,
      bodySize: 2,
      postData: { mimeType: 'text/plain', text: 'ä' },
    })
    expect(entry.response).toMatchObject({
      status: 200,
      statusText: 'OK',
      content: { size: 1_234, mimeType: 'text/html; charset=utf-8' },
    })
    expect(entry).toMatchObject({
      startedDateTime: '2023-11-14T22:13:20.010Z',
      _attempt: 1,
      _finalUrl: 'https://example.com/b',
    })
  })

  it('has the time of the last attempt as its phases: what they leave was spent before', () => {
    const entry = entryOf(exportedTask({ fetch: FETCHED }, REQUEST))
    expect(entry.timings).toEqual({ blocked: 5, dns: 1, connect: 5, ssl: 3, send: 0, wait: 4, receive: 5 })
    expect(entry.time).toBe(20)
  })

  it('has the last of several attempts', () => {
    const error = { code: 'HTTP_STATUS', message: 'answered with status 503', retryable: true } as const
    const history = [
      { number: 1, startedMs: 0, serviceMs: 2, lane: 'thread-1', error },
      { number: 2, startedMs: 1_000, serviceMs: 30, lane: 'thread-2', error: null },
    ]
    const entry = entryOf(exportedTask({ attempts: 2, history, serviceMs: 32, fetch: FETCHED }, REQUEST))
    expect(entry).toMatchObject({
      startedDateTime: '2023-11-14T22:13:21.000Z',
      time: 30,
      _attempt: 2,
      _lane: 'thread-2',
    })
  })

  it('says of a request that failed where its time went and why', () => {
    const error = { code: 'TIMEOUT', message: 'not done within 20 ms', retryable: true } as const
    const unanswered = {
      ...FETCHED,
      status: null,
      contentType: null,
      sha256: null,
      bytes: 0,
      firstByteMs: null,
      downloadMs: null,
    }
    const entry = entryOf(exportedTask({ status: 'FAILED', error, fetch: unanswered }, 'https://example.com/'))
    expect(entry.response).toMatchObject({ status: 0, statusText: '', _error: 'TIMEOUT: not done within 20 ms' })
    expect(entry.timings).toMatchObject({ blocked: 0, wait: 14, receive: 0 })
    expect(entry).toMatchObject({ time: 20, _error: error })
    const unconnected = { ...unanswered, dnsMs: null, connectMs: null, tlsMs: null, reusedConnection: null }
    expect(
      entryOf(exportedTask({ status: 'FAILED', error, fetch: unconnected }, 'https://example.com/')),
    ).toMatchObject({
      timings: { blocked: 20, dns: -1, connect: -1, ssl: -1, wait: 0, receive: 0 },
      time: 20,
    })
    const cutShort = { ...FETCHED, downloadMs: null }
    expect(entryOf(exportedTask({ status: 'FAILED', error, fetch: cutShort }, REQUEST)).timings).toMatchObject({
      blocked: 0,
      receive: 10,
    })
  })

  it('leaves out what was never sent, and stages that compute', () => {
    const shared = exportedTask({ attempts: 0, startedMs: null, lane: null, serviceMs: null, fetch: FETCHED }, REQUEST)
    const refused = exportedTask({ status: 'FAILED', fetch: null }, 'no request at all')
    const unreadable = exportedTask({ status: 'FAILED', fetch: FETCHED }, 'http://')
    const computed = exportedTask({ stage: 1, output: '1' }, 'text')
    expect(harOf([shared, refused, unreadable, computed], exportedRun(PIPELINE)).log.entries).toEqual([])
  })

  it('has phases that add up to its time, whatever is known of them', () => {
    const ms = fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: null })
    const phases = fc.record({
      dnsMs: ms,
      connectMs: ms,
      tlsMs: ms,
      firstByteMs: ms,
      downloadMs: ms,
      reusedConnection: fc.option(fc.boolean(), { nil: null }),
    })
    fc.assert(
      fc.property(phases, fc.double({ min: 0, max: 1e6, noNaN: true }), (known, serviceMs) => {
        const { time, timings } = entryOf(exportedTask({ serviceMs, fetch: { ...FETCHED, ...known } }, REQUEST))
        const { ssl, ...parts } = timings
        const sum = Object.values(parts).reduce((total: number, part) => total + Math.max(0, Number(part)), 0)
        expect(time).toBeCloseTo(sum, 6)
        expect(time).toBeGreaterThan(serviceMs - 1e-6)
        if (timings.connect !== -1) expect(Number(timings.connect)).toBeGreaterThanOrEqual(Number(ssl))
      }),
    )
  })
})
