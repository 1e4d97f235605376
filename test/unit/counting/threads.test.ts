import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CountRequest, ItemCounter } from '../../../src/counting/counter.js'
import { createItemCounter } from '../../../src/counting/threads.js'
import { until } from '../../support/until.js'

/** A thread without the built product: it connects, and answers when the test writes to its connection. */
function entryFor(port: number): URL {
  return new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort, workerData } from 'node:worker_threads'
    import { connect } from 'node:net'
    const socket = connect(${port}, '127.0.0.1')
    socket.on('data', (data) => {
      socket.destroy()
      if (String(data) === 'fail') throw new Error('it cannot be read')
      parentPort.postMessage({ told: String(data), path: workerData.file.path })
    })
  `)}`,
  )
}

let server: Server
/** Of each thread alive. */
let threads: Socket[]
let counter: ItemCounter

beforeEach(async () => {
  threads = []
  server = createServer((socket) => {
    threads.push(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      threads = threads.filter((one) => one !== socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  counter = createItemCounter({ entry: entryFor((server.address() as AddressInfo).port), uploadsDir: '/uploads' })
})
afterEach(async () => {
  await counter.close()
  await new Promise((resolve) => server.close(resolve))
})

const patient = () => new AbortController().signal

const file: CountRequest = {
  source: { kind: 'file', form: 'inputs', name: null, bytes: 1, sha256: '', count: 1 },
  items: null,
  file: { file: 'name', stretches: new Float64Array(3) },
  use: { kind: 'COMPUTE', inputSchema: null },
  picks: 3,
}

describe('a counter', () => {
  it('tells what follows from a source without a thread', async () => {
    const range: CountRequest = {
      ...file,
      file: null,
      source: { kind: 'range', from: 5, to: 1e7 + 5, step: 1, count: 1e7 },
    }
    expect(await counter.count(range, patient())).toEqual({
      duplicates: 0,
      hosts: [],
      hostCount: 0,
      unsafe: 0,
      problems: [],
      problemCount: 0,
      picked: [
        { index: 0, item: 5 },
        { index: 9_999_999, item: 10_000_004 },
        { index: 5_000_000, item: 5_000_005 },
      ],
    })
    expect(threads).toEqual([])
  })

  it('tells so of a range whose schema has bounds alone, and has a thread look at any other', async () => {
    const range: CountRequest = {
      ...file,
      file: null,
      source: { kind: 'range', from: 0, to: 9, step: 1, count: 9 },
      use: { kind: 'COMPUTE', inputSchema: { type: 'integer', minimum: 0 } },
    }
    expect(await counter.count(range, patient())).toMatchObject({ problemCount: 0, picked: [{ index: 0 }, {}, {}] })
    void counter.count({ ...range, use: { kind: 'COMPUTE', inputSchema: { enum: [1] } } }, patient()).catch(() => {})
    await until(() => threads.length === 1)
  })

  it('goes through a list in slices, and lets others have their turn between', async () => {
    const items = Array.from({ length: 2_000 }, (_, at) => at % 1_500)
    let turns = 0
    const count = counter.count(
      { ...file, file: null, items, source: { kind: 'list', form: 'inputs', count: items.length } },
      patient(),
    )
    const turn = () => {
      turns += 1
      if (turns < 100) setImmediate(turn)
    }
    setImmediate(turn)
    expect(await count).toMatchObject({ duplicates: 500 })
    expect(turns).toBeGreaterThan(4)
  })

  it('gives up a list where nobody waits any more', async () => {
    const items = Array.from({ length: 2_000 }, (_, at) => at)
    const leaving = new AbortController()
    const source = { kind: 'list', form: 'inputs', count: items.length } as const
    const count = counter.count({ ...file, file: null, items, source }, leaving.signal)
    leaving.abort(new Error('gone'))
    await expect(count).rejects.toThrow('gone')
  })

  it('has a thread go through a file, a few at a time', async () => {
    const counts = [1, 2, 3].map(() => counter.count(file, patient()))
    await until(() => threads.length === 2)
    const [begun] = threads
    begun?.write('first')
    expect(await Promise.race(counts)).toEqual({ told: 'first', path: '/uploads/name' })
    // The third one has its turn.
    await until(() => threads.length === 2 && !threads.includes(begun!))
    for (const thread of threads) thread.write('other')
    const told = (await Promise.all(counts)).map((count) => (count as unknown as { told: string }).told)
    expect(told.sort()).toEqual(['first', 'other', 'other'])
  })

  it('ends the thread where nobody waits any more, and leaves its place to the next', async () => {
    const leaving = [new AbortController(), new AbortController(), new AbortController()]
    const counts = leaving.map(({ signal }) => counter.count(file, signal))
    const left = counts.map((count) => count.catch((error: Error) => error.message))
    await until(() => threads.length === 2)
    // Who waits for a thread leaves, then those who have one.
    for (const one of leaving.reverse()) one.abort(new Error('gone'))
    expect(await Promise.all(left)).toEqual(['gone', 'gone', 'gone'])
    await until(() => threads.length === 0)
    const next = counter.count(file, patient())
    await until(() => threads.length === 1)
    threads[0]?.write('next')
    expect(await next).toMatchObject({ told: 'next' })
  })

  it('rejects with what the thread failed of', async () => {
    const count = counter.count(file, patient())
    await until(() => threads.length === 1)
    threads[0]?.write('fail')
    await expect(count).rejects.toThrow('it cannot be read')
  })

  it('ends with the server, whatever is being counted', async () => {
    const counts = [1, 2, 3].map(() => counter.count(file, patient()).catch((error: Error) => error.message))
    await until(() => threads.length === 2)
    await counter.close()
    expect(await Promise.all(counts)).toEqual(Array(3).fill('the server is leaving'))
    await expect(counter.count(file, patient())).rejects.toThrow('the server is leaving')
    await until(() => threads.length === 0)
  })
})
