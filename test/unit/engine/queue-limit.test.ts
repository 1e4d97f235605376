import { describe, expect, it } from 'vitest'
import { QueueLimit } from '../../../src/engine/queue-limit.js'

const PATH = ['input', 'source']

describe('QueueLimit', () => {
  it('takes what fits, and says when to try again what does not', () => {
    let waiting = 4
    const queue = new QueueLimit({ maxTasks: 10, waiting: () => waiting, perSecond: () => 0 })
    expect(queue.refusal(6, PATH)).toBeNull()
    expect(queue.refusal(7, PATH)).toEqual([
      {
        code: 'QUEUE_FULL',
        message: '4 tasks wait already: with these 7 it would be more than 10',
        field: PATH,
        retryAfterMs: 5000,
      },
    ])
    waiting = 0
    expect(queue.refusal(10, PATH)).toBeNull()
    // What is more than may ever wait need not try again.
    expect(queue.refusal(11, PATH)).toMatchObject([{ retryAfterMs: null }])
  })

  it.each([
    ['when there will be room, as fast as it goes now', 100, 10, 10_000],
    ['whole milliseconds', 10, 3, 3_334],
    ['nothing shorter than a second', 5, 1_000, 1_000],
    ['nothing longer than a minute', 1_000_000, 10, 60_000],
    ['five seconds while nothing ends', 1_000_000, 0, 5_000],
  ])('says %s', (_what, tooMany, tasksPerSecond, retryAfterMs) => {
    const maxTasks = 2_000_000
    const queue = new QueueLimit({ maxTasks, waiting: () => maxTasks, perSecond: () => tasksPerSecond })
    expect(queue.refusal(tooMany, PATH)).toMatchObject([{ code: 'QUEUE_FULL', retryAfterMs }])
  })

  it('counts what is kept for the next start', () => {
    const queue = new QueueLimit({ maxTasks: 10, waiting: () => 0, perSecond: () => 0 })
    queue.keep(8)
    expect(queue.refusal(3, PATH)).not.toBeNull()
    expect(queue.refusal(2, PATH)).toBeNull()
  })

  it('counts what is being written down, until it has been, or could not be', async () => {
    const queue = new QueueLimit({ maxTasks: 10, waiting: () => 0, perSecond: () => 0 })
    let finish = () => {}
    const written = queue.launching(
      8,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    )
    expect(queue.refusal(3, PATH)).not.toBeNull()
    finish()
    await written
    expect(queue.refusal(3, PATH)).toBeNull()
    const failed = queue.launching(8, () => Promise.reject(new Error('the disk is full')))
    await expect(failed).rejects.toThrow('the disk is full')
    expect(queue.refusal(10, PATH)).toBeNull()
  })
})
