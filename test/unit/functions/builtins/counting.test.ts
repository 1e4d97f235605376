import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CountUp, counterFunction } from '../../../../src/functions/builtins/counting.js'
import { callerOf, functionContext, problemsOf } from '../../../support/builtin.js'

let threads: Worker[]
let alive: number
/** The most there were at once. */
let most: number

const note = (worker: Worker) => {
  threads.push(worker)
  alive += 1
  most = Math.max(most, alive)
  worker.once('exit', () => {
    alive -= 1
  })
}

beforeEach(() => {
  threads = []
  alive = 0
  most = 0
  process.on('worker', note)
})

afterEach(() => process.off('worker', note))

const counterOf = (countUp: CountUp) => counterFunction({ name: 'counter', description: 'A counter.' }, countUp)

/** Counts as it should, one by one. */
const count = callerOf(
  counterOf((counter, increments) => {
    for (let i = 0; i < increments; i += 1) Atomics.add(counter, 0, 1)
  }),
)
/** Threads that never end by themselves. */
const spin = counterOf((counter) => {
  for (;;) Atomics.add(counter, 0, 1)
})

/** Resolves when this many threads are at work. */
async function online(number: number): Promise<void> {
  while (threads.length < number) await new Promise((resolve) => setImmediate(resolve))
  await Promise.all(threads.map((thread) => once(thread, 'online')))
}

describe('a function that counts in threads', () => {
  it.each([2, 3, 8])('starts %d threads, lets each count once, and leaves none', async (number) => {
    expect(await count({ threads: number, increments: 7 })).toEqual({
      expected: 7 * number,
      counted: 7 * number,
      lost: 0,
    })
    expect(threads).toHaveLength(number)
    expect(alive).toBe(0)
  })

  it('has all of them at work at once: each may wait for the others', async () => {
    const meet = callerOf(
      counterOf((counter) => {
        const met = Atomics.add(counter, 0, 1) + 1
        for (let all = met; all < 4; all = Atomics.load(counter, 0)) Atomics.wait(counter, 0, all, 1)
      }),
    )
    expect(await meet({ threads: 4, increments: 1 })).toEqual({ expected: 4, counted: 4, lost: 0 })
    expect(most).toBe(4)
  })

  it('says what came of it where updates are lost', async () => {
    const half = callerOf(counterOf((counter, increments) => void Atomics.add(counter, 0, increments / 2)))
    expect(await half({ threads: 2, increments: 10 })).toEqual({ expected: 20, counted: 10, lost: 10 })
  })

  it('has eight threads of a million increments if nothing else is said', async () => {
    const whole = callerOf(counterOf((counter, increments) => void Atomics.add(counter, 0, increments)))
    expect(await whole({})).toEqual({ expected: 8_000_000, counted: 8_000_000, lost: 0 })
    expect(await whole({ threads: 2 })).toMatchObject({ counted: 2_000_000 })
    expect(await whole({ increments: 3 })).toMatchObject({ counted: 24 })
  })

  it('takes one call after the other: no more threads than of one', async () => {
    const calls = [2, 4, 3].map((number) => count({ threads: number, increments: 1_000 }))
    expect(await Promise.all(calls)).toEqual(
      [2, 4, 3].map((number) => ({ expected: number * 1_000, counted: number * 1_000, lost: 0 })),
    )
    expect(threads).toHaveLength(9)
    expect(most).toBe(4)
  })

  it('ends its threads when its task is aborted, and leaves the event loop alone meanwhile', async () => {
    const abort = new AbortController()
    const running = spin.run({ threads: 3 }, functionContext({ signal: abort.signal }))
    const rejected = expect(running).rejects.toThrow('the run has ended')
    await online(3)
    expect(alive).toBe(3)
    abort.abort(new Error('the run has ended'))
    await rejected
    expect(alive).toBe(0)
  })

  it('starts none for a task that was aborted before its turn', async () => {
    const [first, second] = [new AbortController(), new AbortController()]
    const calls = [first, second].map(({ signal }) => spin.run({ threads: 2 }, functionContext({ signal })))
    const settled = Promise.allSettled(calls)
    await online(2)
    second.abort(new Error('too late'))
    first.abort(new Error('enough'))
    const reasons = (await settled).map((outcome) => outcome.status === 'rejected' && (outcome.reason as Error).message)
    expect(reasons).toEqual(['enough', 'too late'])
    expect(threads).toHaveLength(2)
    // And the next one has its turn.
    expect(await count({ threads: 2, increments: 1 })).toMatchObject({ counted: 2 })
  })

  it.each<[string, CountUp, string]>([
    [
      'throws',
      () => {
        throw new RangeError('no more')
      },
      'no more',
    ],
    ['exits', () => process.exit(3), 'ended before its time, with code 3'],
    [
      'needs more memory than it may',
      () => {
        for (let last: object = {}; ; ) last = { last, value: Math.random() }
      },
      'memory limit',
    ],
  ])('fails, and leaves none, where a thread %s', async (_what, countUp, message) => {
    await expect(callerOf(counterOf(countUp))({ threads: 3 })).rejects.toThrow(message)
    expect(threads).toHaveLength(3)
    expect(alive).toBe(0)
  })

  it('refuses what is no number of threads and no number of increments', () => {
    const problems = problemsOf(spin)
    expect(problems({ threads: 1 })).toEqual(['threads must be >= 2'])
    expect(problems({ threads: 9 })).toEqual(['threads must be <= 8'])
    expect(problems({ increments: 0 })).toEqual(['increments must be >= 1'])
    expect(problems({ increments: 10_000_001 })).toEqual(['increments must be <= 10000000'])
    expect(problems({ increments: 1.5 })).toEqual(['increments must be integer'])
    expect(problems({ lanes: 2 })).toEqual(['must not have the property "lanes"'])
    expect(problems(3)).toEqual(['must be object'])
  })
})
