import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Underway } from '../../../src/domain/underway.js'

/** Work that ends when the test says so, or with its signal's reason. */
class Work {
  signal: AbortSignal | null = null
  end: (value: string) => void = () => {}

  readonly begin = (signal: AbortSignal): Promise<string> => {
    this.signal = signal
    return new Promise((resolve, reject) => {
      this.end = resolve
      if (signal.aborted) reject(signal.reason)
      else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

describe('Underway', () => {
  it('gives what the work gives, and leaves nothing with the caller', async () => {
    const underway = new Underway()
    const caller = new AbortController()
    const works = [new Work(), new Work()] as const
    const [first, second] = works.map(({ begin }) => underway.run(begin, caller.signal))
    expect(listeners(caller.signal)).toBe(2)
    works[0].end('done')
    expect(await first).toBe('done')
    expect(listeners(caller.signal)).toBe(1)
    works[1].end('too')
    await second
    expect(listeners(caller.signal)).toBe(0)
    caller.abort()
    expect(works.map(({ signal }) => signal?.aborted)).toEqual([false, false])
  })

  it('leaves nothing with the caller of what fails', async () => {
    const underway = new Underway()
    const caller = new AbortController()
    const failing = underway.run(() => Promise.reject(new Error('no')), caller.signal)
    await expect(failing).rejects.toThrow('no')
    expect(listeners(caller.signal)).toBe(0)
  })

  it('ends the work of a caller who leaves, and that of no other', async () => {
    const underway = new Underway()
    const [leaving, staying] = [new AbortController(), new AbortController()]
    const [left, other] = [new Work(), new Work()]
    const ended = expect(underway.run(left.begin, leaving.signal)).rejects.toThrow('gone')
    const goesOn = underway.run(other.begin, staying.signal)
    leaving.abort(new Error('gone'))
    await ended
    expect(other.signal?.aborted).toBe(false)
    other.end('done')
    expect(await goesOn).toBe('done')
  })

  it('begins with an aborted signal for who had left before', async () => {
    const gone = AbortSignal.abort(new Error('gone'))
    await expect(new Underway().run(new Work().begin, gone)).rejects.toThrow('gone')
  })

  it('stops all that is under way, waits for it, and ends at once what comes later', async () => {
    const underway = new Underway()
    const caller = new AbortController()
    const ended = expect(underway.run(new Work().begin, caller.signal)).rejects.toThrow('closing')
    let letGo = () => {}
    const slow = underway.run(() => new Promise<void>((resolve) => (letGo = resolve)), caller.signal)
    let isStopped = false
    const stopped = underway.stop(new Error('closing')).then(() => {
      isStopped = true
    })
    await ended
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect(isStopped).toBe(false)
    letGo()
    await Promise.all([slow, stopped])
    await expect(underway.run(new Work().begin, caller.signal)).rejects.toThrow('closing')
    await underway.stop(new Error('again'))
    expect(listeners(caller.signal)).toBe(0)
  })
})
