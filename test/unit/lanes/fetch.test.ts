import { describe, expect, it } from 'vitest'
import type { FetchRequest } from '../../../src/domain/batch.js'
import { type RunKey, toRunKey } from '../../../src/domain/ids.js'
import { NO_LOAD } from '../../../src/domain/lane-load.js'
import type { FetchDetail } from '../../../src/domain/task.js'
import type { Fetcher, FetchOutcome, FetchSettings } from '../../../src/fetching/fetcher.js'
import { FunctionRegistry } from '../../../src/functions/registry.js'
import { Authors } from '../../../src/lanes/authors.js'
import type { FromLane } from '../../../src/lanes/messages.js'
import type { JobSpec } from '../../../src/lanes/protocol.js'
import { Session } from '../../../src/lanes/session.js'
import { computeJob, grantOf, Listener, Outcome } from '../../support/lanes.js'

const detail: FetchDetail = {
  url: 'http://a/',
  finalUrl: 'http://a/',
  host: 'a',
  status: 200,
  bytes: 0,
  sha256: null,
  contentType: null,
  redirects: 0,
  dnsMs: null,
  connectMs: null,
  tlsMs: null,
  firstByteMs: null,
  downloadMs: null,
  reusedConnection: null,
}

const reset = { code: 'CONNECTION_RESET' as const, message: 'gone', retryable: true }

/** A fetcher whose requests end by hand, or by their signal. */
class FakeFetcher implements Fetcher {
  readonly open = new Map<string, (outcome: Partial<FetchOutcome>) => void>()
  readonly requests: FetchRequest[] = []
  readonly stems: (string | null)[] = []

  fetch(request: FetchRequest, { fileStem }: FetchSettings, signal: AbortSignal): Promise<FetchOutcome> {
    this.requests.push(request)
    this.stems.push(fileStem)
    return new Promise((resolve) => {
      const end = (outcome: Partial<FetchOutcome>) => {
        this.open.delete(request.url)
        resolve({ error: null, retryAfterMs: null, output: null, detail, ...outcome })
      }
      this.open.set(request.url, end)
      signal.addEventListener('abort', () => end({ error: reset }), { once: true })
    })
  }

  async close(): Promise<void> {}
}

function setUp(slots: number, storesFor: { run: RunKey; stage: number } | null = null) {
  const fetcher = new FakeFetcher()
  const listener = new Listener()
  const sent: FromLane['kind'][] = []
  const marked = new Map<number, number>()
  let opened = 0
  const session = new Session({
    registry: new FunctionRegistry(new Map()),
    async openFetcher() {
      opened += 1
      return fetcher
    },
    started: Promise.resolve(),
    stagingDir: '/data/blobs/tmp',
    slateFor: () => ({
      mark: (slot, { index }) => void marked.set(slot, index),
      progress: () => {
        throw new Error('a fetch says nothing of its progress')
      },
      wipe: (slot) => void marked.delete(slot),
    }),
    cpu: null,
    authors: new Authors(),
    load: () => NO_LOAD,
    epochOfZeroMs: 0,
    send(message) {
      sent.push(message.kind)
      if (message.kind === 'results') listener.onResults(message.block)
    },
  })
  const fetch = { bodyPolicy: 'DISCARD' as const, maxBytes: 1, maxRedirects: 0, headers: [], okStatuses: null }
  const job = (): JobSpec => computeJob({ work: { kind: 'FETCH', fetch, storesFor }, slots })
  return { session, fetcher, listener, job, sent, marked, opened: () => opened }
}

const urls = (count: number) => Array.from({ length: count }, (_, at) => `http://a/${at}`)

describe('a fetch job', () => {
  it('hands back what it has not sent, and tells at once, where a host asks to be left alone', async () => {
    const { session, fetcher, listener, job } = setUp(1)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(urls(3)) })
    await new Promise((resolve) => setImmediate(resolve))
    const error = { code: 'HTTP_STATUS' as const, message: 'answered with status 429', retryable: true }
    fetcher.open.get('http://a/0')!({ error, retryAfterMs: 1_000, detail: { ...detail, status: 429 } })
    await listener.untilRows(3)
    expect(listener.rows.map(({ index, outcome }) => [index, outcome])).toEqual([
      [0, Outcome.FAILED],
      [1, Outcome.NOT_STARTED],
      [2, Outcome.NOT_STARTED],
    ])
    expect(fetcher.requests).toHaveLength(1)
  })

  it('waits for its fetcher, which serves all jobs of the lane', async () => {
    const { session, fetcher, listener, job, opened } = setUp(4)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(urls(2)) })
    session.handle({ kind: 'grant', grant: grantOf(['http://a/x'], 2) })
    expect(fetcher.requests).toEqual([])
    await new Promise((resolve) => setImmediate(resolve))
    expect(fetcher.requests.map(({ url }) => url)).toEqual(['http://a/0', 'http://a/1', 'http://a/x'])
    for (const end of fetcher.open.values()) end({})
    await listener.untilRows(3)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(['http://a/next']) })
    await new Promise((resolve) => setImmediate(resolve))
    fetcher.open.get('http://a/next')!({})
    await listener.untilRows(4)
    expect(opened()).toBe(1)
  })

  it.each([null, toRunKey('ab'.repeat(16))])('tells where each body goes, for the run %s', async (run) => {
    const { session, fetcher, job } = setUp(4, run && { run, stage: 2 })
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(urls(2), 7) })
    await new Promise((resolve) => setImmediate(resolve))
    const stem = (index: number) => run && `/data/blobs/tmp/${run}.2-${index}`
    expect(fetcher.stems).toEqual([stem(7), stem(8)])
  })

  it('keeps its slots filled, and reports in the order of the ends', async () => {
    const { session, fetcher, listener, job, marked } = setUp(2)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(urls(4)) })
    await new Promise((resolve) => setImmediate(resolve))
    expect([...fetcher.open.keys()]).toEqual(['http://a/0', 'http://a/1'])
    expect([...marked.values()]).toEqual([0, 1])
    fetcher.open.get('http://a/1')!({ output: '"one"' })
    await listener.untilRows(1)
    expect([...fetcher.open.keys()]).toEqual(['http://a/0', 'http://a/2'])
    fetcher.open.get('http://a/2')!({ error: reset, retryAfterMs: 5 })
    fetcher.open.get('http://a/0')!({})
    await listener.untilRows(3)
    fetcher.open.get('http://a/3')!({})
    await listener.untilRows(4)
    expect(listener.rows.map(({ index, outcome, output, error }) => [index, outcome, output, error])).toEqual([
      [1, Outcome.SUCCEEDED, '"one"', null],
      [2, Outcome.FAILED, null, reset],
      [0, Outcome.SUCCEEDED, null, null],
      [3, Outcome.SUCCEEDED, null, null],
    ])
    expect(listener.rows.every(({ fetch }) => fetch !== null)).toBe(true)
    expect(marked.size).toBe(0)
  })

  it('says of a cancelled request what is known of it, and of one that was done that it succeeded', async () => {
    const { session, fetcher, listener, job } = setUp(2)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf(urls(3)) })
    await new Promise((resolve) => setImmediate(resolve))
    fetcher.open.get('http://a/0')!({})
    session.handle({ kind: 'cancel' })
    await listener.untilRows(3)
    const outcomes = new Map(
      listener.rows.map(({ index, outcome, error, fetch }) => [index, { outcome, error, fetch }]),
    )
    expect(outcomes.get(0)).toEqual({ outcome: Outcome.SUCCEEDED, error: null, fetch: detail })
    expect(outcomes.get(1)).toEqual({ outcome: Outcome.CANCELLED, error: null, fetch: detail })
    expect(outcomes.get(2)).toEqual({ outcome: Outcome.NOT_STARTED, error: null, fetch: null })
    session.handle({ kind: 'grant', grant: grantOf(['http://a/late'], 3) })
    await listener.untilRows(4)
    expect(listener.rows[3]).toMatchObject({ index: 3, outcome: Outcome.NOT_STARTED })
  })

  it('answers probes, whatever else it waits for', () => {
    const { session, job, sent } = setUp(1)
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'probe' })
    expect(sent).toEqual(['alive'])
  })
})

describe('a line that is no request', () => {
  it('fails without being sent, and takes no slot from the others', async () => {
    const { session, fetcher, listener, job } = setUp(1)
    const bad = { url: 'no url', method: 'GET', headers: [], body: null, problem: '"no url" is not an absolute URL' }
    session.handle({ kind: 'open', job: job(), slate: null })
    session.handle({ kind: 'grant', grant: grantOf([...Array(20_000).fill(bad), 'http://a/x', bad]) })
    await listener.untilRows(20_000)
    expect(fetcher.requests.map(({ url }) => url)).toEqual(['http://a/x'])
    fetcher.open.get('http://a/x')!({})
    await listener.untilRows(20_002)
    const rows = listener.rows
    const error = { code: 'INVALID_INPUT', message: '"no url" is not an absolute URL', retryable: false }
    expect(rows[0]).toMatchObject({ index: 0, outcome: Outcome.FAILED, error, serviceMs: 0 })
    expect(rows.filter(({ outcome }) => outcome === Outcome.SUCCEEDED).map(({ index }) => index)).toEqual([20_000])
  })
})
