import { beforeEach, describe, expect, it } from 'vitest'
import { Retention } from '../../../src/engine/retention.js'
import { ManualClock } from '../../support/clock.js'

const settle = () => new Promise((resolve) => setImmediate(resolve))
const HOUR_MS = 3_600_000

let clock: ManualClock
let asked: Date[]
let logged: { level: string; about: object }[]
let answer: () => Promise<number>

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  logged = []
  answer = async () => 0
})

function retention(days: number): Retention {
  const note = (level: string) => (about: object) => void logged.push({ level, about })
  const prune = (finishedBefore: Date) => {
    asked.push(finishedBefore)
    return answer()
  }
  return new Retention({ days, clock, log: { info: note('info'), error: note('error') }, prune })
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

describe('Retention', () => {
  it('takes away what ended so long ago, soon after the start and then every hour', async () => {
    retention(30).start()
    expect(asked).toEqual([])
    await pass(10_000)
    const daysBefore = (ms: number) => new Date(Date.UTC(2025, 11, 2) + ms)
    expect(asked).toEqual([daysBefore(10_000)])
    await pass(HOUR_MS - 1)
    expect(asked).toHaveLength(1)
    await pass(1)
    expect(asked[1]).toEqual(daysBefore(10_000 + HOUR_MS))
    await pass(5 * HOUR_MS)
    expect(asked.length).toBeGreaterThanOrEqual(3)
  })

  it('logs how many, where there were some', async () => {
    retention(1).start()
    await pass(10_000)
    expect(logged).toEqual([])
    answer = async () => 7
    await pass(HOUR_MS)
    expect(logged).toEqual([{ level: 'info', about: { runs: 7, finishedBefore: asked[1] } }])
  })

  it('keeps everything with 0 days', async () => {
    retention(0).start()
    expect(clock.nextDueMs).toBeNull()
  })

  it('does not begin again before it has ended, and tries again after a fault', async () => {
    let fail = (_error: Error) => {}
    answer = () => new Promise((_, reject) => (fail = reject))
    retention(1).start()
    await pass(10_000)
    await pass(3 * HOUR_MS)
    expect(asked).toHaveLength(1)
    fail(new Error('the disk cannot be written'))
    await settle()
    expect(logged).toEqual([{ level: 'error', about: { err: new Error('the disk cannot be written') } }])
    await pass(HOUR_MS)
    expect(asked).toHaveLength(2)
  })

  it('leaves no timer when it is stopped, at rest or at work', async () => {
    const resting = retention(1)
    resting.start()
    resting.stop()
    expect(clock.nextDueMs).toBeNull()
    let end = (_runs: number) => {}
    answer = () => new Promise((resolve) => (end = resolve))
    const working = retention(1)
    working.start()
    await pass(10_000)
    working.stop()
    end(3)
    await settle()
    expect(clock.nextDueMs).toBeNull()
  })
})
