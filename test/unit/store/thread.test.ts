import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreThread } from '../../../src/store/thread.js'

interface Echo {
  echo(value: unknown): unknown
  fail(message: string): void
  leave(): void
  silence(): void
}

/** A thread that serves without the built product: what it says on the wire is the protocol's own. */
const entry = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort, workerData } from 'node:worker_threads'
  parentPort.on('message', ({ id, method, args }) => {
    if (method === 'echo') parentPort.postMessage({ id, value: [workerData, ...args] })
    if (method === 'fail') parentPort.postMessage({ id, failure: { message: args[0], code: 'SQLITE_FULL', stack: undefined } })
    if (method === 'leave') process.exit(3)
  })
`)}`,
)

describe('StoreThread', () => {
  let thread: StoreThread<Echo>
  const start = () => {
    thread = new StoreThread<Echo>(entry, { name: 'echo', data: 'the.db' })
    return thread
  }
  afterEach(() => thread.end())

  it('answers each call with its own result', async () => {
    start()
    expect(await Promise.all([thread.call('echo', 1), thread.call('echo', { a: [2] })])).toEqual([
      ['the.db', 1],
      ['the.db', { a: [2] }],
    ])
  })

  it('rejects with the error of the other side and its code', async () => {
    await expect(start().call('fail', 'the disk is full')).rejects.toMatchObject({
      message: 'the disk is full',
      code: 'SQLITE_FULL',
    })
  })

  it('rejects what cannot be sent, and goes on', async () => {
    start()
    await expect(thread.call('echo', () => {})).rejects.toThrow(/could not be cloned/)
    expect(await thread.call('echo', 1)).toEqual(['the.db', 1])
  })

  it('rejects what waits and what comes when the thread has ended', async () => {
    start()
    const waiting = thread.call('silence')
    const leaving = thread.call('leave')
    await expect(waiting).rejects.toThrow(/echo has ended/)
    await expect(leaving).rejects.toThrow(/echo has ended/)
    expect(thread.hasFailed).toBe(true)
    await expect(thread.call('echo', 1)).rejects.toThrow(/echo has ended/)
  })

  it('rejects with the reason why the thread could not start', async () => {
    thread = new StoreThread<Echo>(new URL('data:text/javascript,throw new Error("no such table")'), {
      name: 'echo',
      data: '',
    })
    await expect(thread.call('echo', 1)).rejects.toThrow(/no such table/)
  })

  it('can be ended twice', async () => {
    start()
    const waiting = expect(thread.call('silence')).rejects.toThrow(/has ended/)
    await Promise.all([thread.end(), thread.end()])
    await waiting
  })
})

interface Turns {
  /** Answers when `second` has been asked. */
  first(): Promise<string>
  second(): string
  fail(): Promise<never>
  failAtOnce(): never
}

/** The built product's side that answers. */
const serving = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { serve } from '${new URL('../../../dist/store/thread.js', import.meta.url)}'
  let asked
  const second = new Promise((resolve) => { asked = resolve })
  serve({
    first: async () => { await second; return 'after the second' },
    second: () => { asked(); return 'before the first' },
    fail: async () => { throw Object.assign(new Error('no more room'), { code: 'SQLITE_FULL' }) },
    failAtOnce: () => { throw new Error('at once') },
  })
`)}`,
)

describe('serve', () => {
  let thread: StoreThread<Turns>
  beforeEach(() => {
    thread = new StoreThread<Turns>(serving, { name: 'serving', data: '' })
  })
  afterEach(() => thread.end())

  it('answers others while a method waits for its turn', async () => {
    expect(await Promise.all([thread.call('first'), thread.call('second')])).toEqual([
      'after the second',
      'before the first',
    ])
  })

  it('tells of a failure, at once or later', async () => {
    await expect(thread.call('fail')).rejects.toMatchObject({ message: 'no more room', code: 'SQLITE_FULL' })
    await expect(thread.call('failAtOnce')).rejects.toThrow('at once')
    expect(await thread.call('second')).toBe('before the first')
  })
})
