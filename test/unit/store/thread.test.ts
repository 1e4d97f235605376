import { afterEach, describe, expect, it } from 'vitest'
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
