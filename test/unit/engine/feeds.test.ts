import { describe, expect, it } from 'vitest'
import { PickedFeed } from '../../../src/engine/feeds.js'
import { LimitedHosts } from '../../../src/engine/host-gate.js'
import { Measure } from '../../../src/engine/measure.js'
import { ManualClock } from '../../support/clock.js'
import { columnsOf, type ReportedTask, STARTED_AT } from '../../support/engine-parts.js'
import { fetchDetail } from '../../support/store.js'

/** Three items of one host, which may be asked ten times a second. */
class Fed {
  readonly clock = new ManualClock(STARTED_AT)
  readonly feed = new PickedFeed({
    measure: new Measure(),
    clock: this.clock,
    items: [0, 1, 2].map((index) => ({ index, input: `http://a.example/${index}`, host: 'a.example' })),
    slots: 1,
    gate: new LimitedHosts({ concurrency: 1, rate: 10 }),
    untilMs: 1_000,
    onReported: () => {},
    onEnded: () => {},
  })

  /** Hands out the next one, which comes back so much later. */
  pass(task: ReportedTask, afterMs: number): void {
    this.feed.next()
    this.clock.advance(afterMs)
    this.feed.results({ job: 1, columns: columnsOf([task]), laneCpuMs: 0, reduction: null })
  }
}

describe('PickedFeed', () => {
  it('keeps the distance from what its lane started late', () => {
    const fed = new Fed()
    fed.pass({ index: 0, startedMs: 240 }, 241)
    expect([fed.feed.ready, fed.feed.dueMs]).toEqual([0, 342])
    fed.clock.advance(101)
    expect(fed.feed.ready).toBe(1)
    fed.pass({ index: 1, startedMs: 342 }, 1)
    expect([fed.feed.ready, fed.feed.dueMs]).toEqual([0, 444])
  })

  it('keeps it from the sending, which what is loaded and a new connection come before', () => {
    const fed = new Fed()
    const fetch = { ...fetchDetail, firstByteMs: 40, downloadMs: 10 }
    fed.pass({ index: 0, startedMs: 5, serviceMs: 80, fetch }, 90)
    expect(fed.feed.dueMs).toBe(35 + 102)
  })

  it('keeps it from the end of what was never answered', () => {
    const fed = new Fed()
    const error = { code: 'CONNECTION_REFUSED', message: 'refused', retryable: true } as const
    const fetch = { ...fetchDetail, firstByteMs: null, downloadMs: null }
    fed.pass({ index: 0, startedMs: 5, serviceMs: 80, error, fetch }, 90)
    expect(fed.feed.dueMs).toBe(85 + 102)
  })
})
