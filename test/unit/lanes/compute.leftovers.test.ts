import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { count, deferred, type Run, setUp } from '../../support/compute.js'
import { grantOf, Outcome } from '../../support/lanes.js'

describe('ComputeJob, what functions leave behind', () => {
  const LEFT = 'left behind an error that nothing caught: too late'

  /** A job whose functions are told of, as a lane's process would, what they have left behind. */
  async function leaving(run: Run, slots: number) {
    const setting = setUp(run, { slots })
    const { authors, job } = setting
    const blame = (thrown: unknown) => {
      const author = authors.current
      if (author) job.blame(author, thrown)
    }
    return { ...setting, blame }
  }

  it('keeps a task in service until the event loop has turned, where it has begun something', async () => {
    const { job, slate, listener, violations } = setUp((input) => {
      if (input === 1) setImmediate(() => {})
      return input
    })
    job.grant(grantOf(count(4)))
    expect(listener.rows.map(({ index }) => index)).toEqual([0])
    expect(slate.indexes).toEqual([1])
    const rows = await listener.untilRows(4)
    expect(rows.map(({ index, outcome }) => [index, outcome])).toEqual(count(4).map((at) => [at, Outcome.SUCCEEDED]))
    expect([violations, slate.indexes]).toEqual([[], []])
  })

  it.each([
    ['has returned', () => 'early'],
    ['has resolved', async () => 'early'],
    ['waits', () => new Promise(() => {})],
  ])('fails the task that %s, and no other', async (_what, answer) => {
    const { job, listener, blame, stray } = await leaving((input) => {
      if (input !== 1) return turn(input)
      setImmediate(() => blame(new Error('too late')))
      return answer()
    }, 2)
    job.grant(grantOf(count(4)))
    const rows = await listener.untilRows(4)
    expect(rows.map(({ index, error }) => [index, error?.code, error?.message]).sort()).toEqual([
      [0, undefined, undefined],
      [1, 'FUNCTION_ERROR', LEFT],
      [2, undefined, undefined],
      [3, undefined, undefined],
    ])
    expect(rows.every(({ error }) => error === null || !error.retryable)).toBe(true)
    expect(stray.count).toBe(_what === 'waits' ? 1 : 0)
  })

  it('fails a task that says so while it runs, once', async () => {
    const { job, listener, blame } = await leaving((input) => {
      if (input === 1) blame(new Error('too late'))
      return input
    }, 1)
    job.grant(grantOf(count(3)))
    const rows = await listener.untilRows(3)
    expect(rows.map(({ index, error }) => [index, error?.message])).toEqual([
      [0, undefined],
      [1, LEFT],
      [2, undefined],
    ])
  })

  it('does nothing to a task that has been reported', async () => {
    const late = deferred<void>()
    const { job, listener, blame } = await leaving((input) => {
      if (input === 0) void late.promise.then(() => blame(new Error('too late')))
      return input
    }, 1)
    job.grant(grantOf(count(2)))
    await listener.untilRows(2)
    late.resolve()
    await turn()
    job.grant(grantOf([2], 2))
    const rows = await listener.untilRows(3)
    expect(rows.map(({ error }) => error)).toEqual([null, null, null])
  })

  it('tells whose task an author has in service', async () => {
    const gate = deferred<void>()
    const seen: (number | null)[] = []
    const { job, listener, authors } = setUp(
      (input) => {
        const look = () => seen.push(authors.current ? job.indexOf(authors.current) : null)
        look()
        return input === 0 ? gate.promise.then(look) : input
      },
      { slots: 2 },
    )
    job.grant(grantOf(count(2)))
    gate.resolve()
    await listener.untilRows(2)
    expect(seen).toEqual([0, 1, 0])
  })

  it('is timed and told as in service while an output is read that never ends', async () => {
    const { job, slate, listener } = setUp(async () => ({
      toJSON: () => slate.indexes,
    }))
    job.grant(grantOf([0]))
    expect((await listener.untilRows(1))[0]?.output).toBe('[0]')
  })
})
