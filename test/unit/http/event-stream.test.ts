import type { Plugin } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { useEventStream } from '../../../src/http/event-stream.js'
import { createLog } from '../../../src/log.js'
import { ManualClock } from '../../support/clock.js'

const PING = ':\n\n'

/** A source whose items the test hands out, and that says when it was let go. */
function source() {
  const waiting: ((item: IteratorResult<unknown>) => void)[] = []
  const ready: IteratorResult<unknown>[] = []
  const give = (item: IteratorResult<unknown>) => {
    const next = waiting.shift()
    if (next) next(item)
    else ready.push(item)
  }
  const source = {
    asked: 0,
    returned: 0,
    give: (value: unknown) => give({ done: false, value }),
    end: () => give({ done: true, value: undefined }),
    [Symbol.asyncIterator]: () => source,
    next: () => {
      source.asked += 1
      const item = ready.shift()
      return item ? Promise.resolve(item) : new Promise<IteratorResult<unknown>>((resolve) => waiting.push(resolve))
    },
    return: async () => {
      source.returned += 1
      return { done: true, value: undefined }
    },
  }
  return source
}

function open(result: unknown, accept: string | null = 'text/event-stream') {
  const clock = new ManualClock()
  const closing = new AbortController()
  const gone = new AbortController()
  const policy = { log: createLog({ level: 'silent' }), suggestions: true }
  let cuts = 0
  const res = { destroy: () => (cuts += 1) }
  const plugin: Plugin = useEventStream({ clock, policy, pingMs: 10_000, closing: closing.signal })
  const headers = new Headers(accept === null ? {} : { accept })
  let response: Response | undefined
  plugin.onResultProcess?.({
    request: { headers, signal: gone.signal },
    result,
    serverContext: { res },
    setResultProcessor: (process: (...args: unknown[]) => Response) => {
      response = process()
    },
  } as never)
  const reader = response?.body?.pipeThrough(new TextDecoderStream()).getReader()
  const read = async () => (await reader?.read())?.value
  return { response, read, reader, clock, closing, gone, cuts: () => cuts }
}

describe('useEventStream', () => {
  it.each([
    ['text/event-stream', true, true],
    ['application/json, text/event-stream', true, true],
    ['*/*', true, true],
    [null, true, true],
    ['application/json', true, false],
    ['text/event-stream, application/json', false, true],
    ['application/json, text/event-stream', false, false],
    ['*/*', false, false],
    [null, false, false],
  ])('with Accept %s and a stream %s is used: %s', (accept, streamed, used) => {
    const { response } = open(streamed ? source() : { data: {} }, accept)
    expect(response !== undefined).toBe(used)
  })

  it('sends events as the protocol has them, and says when there are no more', async () => {
    const events = source()
    const { read } = open(events)
    expect(await read()).toBe(PING)
    events.give({ data: { a: 'line\nbreak' } })
    expect(await read()).toBe('event: next\ndata: {"data":{"a":"line\\nbreak"}}\n\n')
    events.end()
    expect(await read()).toBe('event: complete\ndata:\n\n')
    expect(await read()).toBeUndefined()
  })

  it('tells an event that cannot be written as an error, and goes on', async () => {
    const events = source()
    const { read } = open(events)
    expect(await read()).toBe(PING)
    events.give({ data: { a: 1n } })
    expect(await read()).toContain('"code":"INTERNAL"')
    events.give({ data: { a: 1 } })
    expect(await read()).toBe('event: next\ndata: {"data":{"a":1}}\n\n')
  })

  it('sends a single result as an event', async () => {
    const { read } = open({ data: { a: 1 } })
    expect([await read(), await read(), await read(), await read()]).toEqual([
      PING,
      'event: next\ndata: {"data":{"a":1}}\n\n',
      'event: complete\ndata:\n\n',
      undefined,
    ])
  })

  it('asks its source for one event at a time, as the client takes them', async () => {
    const events = source()
    const { read } = open(events)
    await read()
    for (let value = 1; value <= 5; value += 1) events.give({ data: { value } })
    await new Promise((resolve) => setImmediate(resolve))
    expect(events.asked).toBeLessThan(5)
    for (let value = 1; value <= 5; value += 1) expect(await read()).toContain(`"value":${value}`)
  })

  it('pings through silence, and goes on pinging after a client was slow', async () => {
    const events = source()
    const { read, clock } = open(events)
    expect(await read()).toBe(PING)
    clock.advance(10_000)
    expect(await read()).toBe(PING)
    // Nobody reads: pings do not pile up.
    clock.advance(100_000)
    events.give({ data: {} })
    const text: (string | undefined)[] = []
    while (!text.at(-1)?.startsWith('event')) text.push(await read())
    expect(text.length).toBeLessThan(6)
    const ping = read()
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(10_000)
    expect(await ping).toBe(PING)
  })

  it('cuts off a client that takes nothing for two minutes, and lets go of the source', async () => {
    const events = source()
    const { read, clock, cuts } = open(events)
    expect(await read()).toBe(PING)
    // It is quiet for long, and read all the same.
    for (let times = 0; times < 30; times += 1) {
      clock.advance(10_000)
      expect(await read()).toBe(PING)
    }
    events.give({ data: {} })
    await new Promise((resolve) => setImmediate(resolve))
    for (let times = 0; times < 11; times += 1) clock.advance(10_000)
    expect([cuts(), events.returned]).toEqual([0, 0])
    for (let times = 0; times < 2; times += 1) clock.advance(10_000)
    expect([cuts(), events.returned]).toEqual([1, 1])
  })

  it('tells the error of a source that fails, and ends', async () => {
    const events = source()
    events.next = () => {
      events.asked += 1
      return events.asked === 1
        ? Promise.reject(new Error('secret'))
        : Promise.resolve({ done: true, value: undefined })
    }
    const { read } = open(events)
    await read()
    const text = await read()
    expect(text).toContain('"code":"INTERNAL"')
    expect(text).not.toContain('secret')
    expect(await read()).toBe('event: complete\ndata:\n\n')
  })

  it('lets its source go once: when the client cancels, goes, or the server closes', async () => {
    for (const end of ['cancel', 'gone', 'closing'] as const) {
      const events = source()
      const { read, reader, clock, closing, gone } = open(events)
      await read()
      if (end === 'cancel') await reader?.cancel()
      else if (end === 'gone') gone.abort()
      else closing.abort()
      expect(events.returned).toBe(1)
      expect(clock.nextDueMs).toBeNull()
      gone.abort()
      closing.abort()
      expect(events.returned).toBe(1)
    }
  })

  it('ends without complete when the server closes', async () => {
    const { read, closing } = open(source())
    await read()
    closing.abort()
    expect(await read()).toBeUndefined()
  })
})
