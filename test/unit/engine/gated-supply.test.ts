import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Outcome, outputAt } from '../../../src/domain/results.js'
import type { TaskRecord } from '../../../src/domain/task.js'
import { GatedSupply } from '../../../src/engine/gated-supply.js'
import { NO_HOST } from '../../../src/engine/host-gate.js'
import { OneHostSupply } from '../../../src/engine/one-host-supply.js'
import { createSupply } from '../../../src/engine/supplies.js'
import { ManualClock } from '../../support/clock.js'
import { batchSpec, FETCH, runRecord } from '../../support/engine-parts.js'
import { checkStarts, FAILURE, GatedItems, startsByHost } from '../../support/gated.js'
import { hostUser, inFlightOf, ownHosts } from '../../support/hosts.js'

const byNumber = (a: number, b: number) => a - b
const all = (items: GatedItems) => [...items.out.keys()]
const repeated = (count: number, url: (at: number) => string) => Array.from({ length: count }, (_, at) => url(at))

/** Takes and ends whatever comes, until nothing is left. */
async function finish(items: GatedItems, lookAt: () => void = () => {}): Promise<void> {
  items.isFull = false
  items.failReads = 0
  for (let round = 0; items.supply.size + items.out.length > 0; round += 1) {
    if (round > 3_000) throw new Error(`${items.supply.size} items are never handed out`)
    items.take(10_000)
    lookAt()
    items.end(all(items))
    const nowMs = items.clock.monotonicMs()
    const dueMs = Math.min(
      items.clock.nextDueMs ?? Number.POSITIVE_INFINITY,
      items.supply.nextDueMs ?? Number.POSITIVE_INFINITY,
    )
    await items.pass(Number.isFinite(dueMs) ? Math.max(0, dueMs - nowMs) : 0)
  }
}

describe('createSupply', () => {
  const kindOf = (fetch: object, template = 'http://a.example/{i}') => {
    const source = { kind: 'template' as const, template, from: 0, to: 9, step: 1, count: 10 }
    const stage = { ...FETCH, fetch: { ...(FETCH as { fetch: object }).fetch, ...fetch } } as typeof FETCH
    return createSupply({
      record: runRecord({ spec: batchSpec({ source, stages: [stage] }) }),
      stage: 0,
      flow: null,
      concurrency: 1,
      leftOut: null,
      ended: null,
      clock: new ManualClock(),
      store: { items: async () => new Map(), task: async () => null },
      isFull: () => false,
      onEnded() {},
      onChanged() {},
      onUnreadable() {},
      hosts: ownHosts(new ManualClock()),
      user: hostUser(),
      recall() {},
    }).constructor
  }

  it('reads no item where all go to one host, and has no table for requests that cannot be the same', () => {
    expect(kindOf({})).toBe(OneHostSupply)
    expect(kindOf({ perHostConcurrency: 1 })).toBe(OneHostSupply)
    expect(kindOf({ perHostRate: 0.5 })).toBe(OneHostSupply)
    expect(kindOf({ dedupe: true })).toBe(OneHostSupply)
    expect(kindOf({}, 'http://a{i}.example/')).toBe(GatedSupply)
    expect(kindOf({ dedupe: true }, 'http://a.example/#{i}')).toBe(GatedSupply)
  })
})

describe('GatedSupply, hosts', () => {
  it('says of as many that they are ready as hosts have room for, and hands out one host after the other', async () => {
    const urls = repeated(12, (at) => `http://${'aab'[at % 3]}.example/${at}`)
    const items = new GatedItems({ urls, perHostConcurrency: 2 })
    expect(items.supply.ready).toBe(0)
    await items.settle()
    expect([items.supply.ready, items.supply.size]).toEqual([4, 12])
    expect(items.take(3).map(({ index }) => index)).toEqual([0, 2, 1])
    expect([items.supply.ready, items.supply.size]).toEqual([1, 9])
    items.end([0])
    expect(items.supply.ready).toBe(2)
    expect(items.take(10).map(({ host }) => host)).toEqual(['b.example', 'a.example'])
    expect(items.take(10)).toEqual([])
  })

  it('reads of a source with one host no further than it can hand out soon', async () => {
    const template = { template: 'http://a.example/{i}', count: 10_000_000 }
    const items = new GatedItems({ urls: template, perHostConcurrency: 5 })
    await items.settle()
    expect([items.supply.ready, items.supply.size]).toEqual([5, 10_000_000])
    expect(items.clock.nextDueMs).toBeNull()
    expect(items.take(9).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4])
  })

  it('finds the items of an idle host behind any number of a busy one, and keeps few of these in memory', async () => {
    const urls = repeated(60_000, (at) => `http://${at === 59_999 ? 'idle' : 'busy'}.example/${at}`)
    const items = new GatedItems({ urls, perHostConcurrency: 1 })
    await items.settle()
    expect(items.take(10).map(({ host }) => host)).toEqual(['busy.example'])
    for (let round = 0; round < 400 && items.out.length < 2; round += 1) {
      await items.pass(10)
      items.take(10)
    }
    expect(items.out.map(({ index }) => index)).toEqual([0, 59_999])
    // Of those that were read and not kept each is read once again, when it is near: in the order of the source.
    for (let next = 1; next < 3_000; next += 1) {
      items.end([items.out.findIndex(({ host }) => host === 'busy.example')])
      if (items.supply.ready === 0) await items.settle()
      expect(items.take(1).map(({ index }) => index)).toEqual([next])
    }
    expect(items.reads.reduce((sum, count) => sum + count, 0)).toBeLessThan(60_000 + 4_000)
  })

  it('lets no host wait for another one, however many there are', async () => {
    const urls = repeated(30_000, (at) => `http://h${at % 3_000}.example/${at}`)
    const items = new GatedItems({ urls, perHostConcurrency: 1 })
    const served = new Set<string>()
    for (let round = 0; round < 60 && served.size < 3_000; round += 1) {
      await items.pass(5)
      for (const { host } of items.take(100)) served.add(host)
    }
    expect(served.size).toBe(3_000)
    await finish(items)
    expect(items.endings.size).toBe(30_000)
  })

  it('keeps to the pace, and rings when a host may go on', async () => {
    const urls = repeated(6, (at) => `http://${at < 4 ? 'a' : 'b'}.example/${at}`)
    const items = new GatedItems({ urls, perHostRate: 10 })
    await items.settle()
    expect(items.take(10).map(({ index }) => index)).toEqual([0, 4])
    items.end([0, 1])
    expect(items.supply.ready).toBe(0)
    expect(items.clock.nextDueMs).toBe(102)
    const { changes } = items
    items.clock.advance(102)
    expect([items.changes, items.supply.ready]).toEqual([changes + 1, 2])
    items.take(10)
    items.supply.stop()
    expect(items.clock.nextDueMs).toBeNull()
  })

  it('keeps its distance from what a lane has started late', async () => {
    const items = new GatedItems({ urls: repeated(6, (at) => `http://a.example/${at}`), perHostRate: 10 })
    await items.settle()
    items.take(1)
    items.clock.advance(200)
    const startedAt = (ms: number) => Float64Array.of(items.clock.epochMs() - items.clock.monotonicMs() + ms)
    items.supply.started({ indexes: Float64Array.of(0), startedAt: startedAt(10) })
    expect(items.supply.ready).toBe(1)
    items.supply.started({ indexes: Float64Array.of(0), startedAt: startedAt(180) })
    expect([items.supply.ready, items.clock.nextDueMs]).toEqual([0, 282])
  })

  it('comes close to the rate though its timers are late, and to that of each of many hosts', async () => {
    const urls = repeated(2_000, (at) => `http://h${at % 4}.example/${at}`)
    const items = new GatedItems({ urls, perHostRate: 200 })
    await items.settle()
    for (let ms = 0; ms < 2_000; ms += 9) {
      items.take(100)
      items.end(all(items))
      items.clock.advance(9)
      if (items.supply.ready === 0 || ms % 90 === 0) await items.settle()
    }
    checkStarts(items, { concurrency: null, rate: 200 })
    expect(startsByHost(items).every(({ length }) => length >= 380)).toBe(true)
  })

  it('hands out what was given back and what is tried again before the rest, through the gate', async () => {
    const items = new GatedItems({ urls: repeated(9, (at) => `http://a.example/${at}`), perHostConcurrency: 2 })
    await items.settle()
    items.take(2)
    items.giveBack([0])
    items.retry([0], 50)
    expect([items.supply.size, items.supply.nextDueMs]).toEqual([9, 50])
    await items.settle()
    expect(items.take(1)).toMatchObject([{ index: 0, attempt: 1 }])
    await items.pass(50)
    expect(items.take(5)).toMatchObject([{ index: 1, attempt: 2 }])
  })

  it('keeps the order of what is read in several answers, as its lines are long', async () => {
    const urls = repeated(40, (at) => (at % 8 === 7 ? 'bad' : `http://h${at % 2}.example/${at % 16}#${at}`))
    const items = new GatedItems({ urls, perHostConcurrency: 4, dedupe: true })
    items.answerSize = 3
    // Four of each host, and all lines that are no request: none of them is like another.
    while (items.out.length < 13) {
      await items.settle()
      items.take(2)
    }
    const order = (host: string) => items.out.filter((one) => one.host === host).map(({ index }) => index)
    expect([order('h0.example'), order('h1.example'), order(NO_HOST)]).toEqual([
      [0, 2, 4, 6],
      [1, 3, 5, 9],
      [7, 15, 23, 31, 39],
    ])
    await finish(items)
    expect(items.starts.map(({ index }) => index).sort(byNumber)).toEqual(items.leaders)
  })

  it('takes in no more than some long requests, be they the first of their hosts or tried again', async () => {
    const longPath = 'x'.repeat(1024 * 1024)
    const items = new GatedItems({ urls: repeated(30, (at) => `http://h${at}.example/${longPath}`), perHostRate: 1 })
    items.answerSize = 4
    for (let round = 0; round < 3; round += 1) await items.settle()
    expect(items.supply.ready).toBe(16)
    items.take(16)
    for (let round = 0; round < 3; round += 1) await items.settle()
    expect(items.supply.ready).toBe(14)
    items.take(14)
    items.retry(all(items), 5_000)
    await items.pass(5_000)
    for (let round = 0; round < 3; round += 1) await items.settle()
    expect(items.supply.ready).toBe(16)
    await finish(items)
    expect(items.starts).toHaveLength(60)
  })

  it('reads again what could not be read, and gives up where that lasts', async () => {
    const items = new GatedItems({ urls: ['http://a.example/'], perHostConcurrency: 1 })
    items.failReads = 2
    await items.settle()
    expect(items.supply.ready).toBe(0)
    await items.pass(500)
    await items.pass(500)
    expect(items.supply.ready).toBe(1)
    const never = new GatedItems({ urls: ['http://a.example/'], perHostConcurrency: 1 })
    never.failReads = 1_000
    for (let round = 0; round < 30; round += 1) await never.pass(500)
    expect(never.unreadable).toMatchObject([{ code: 'INVALID_INPUT', message: expect.stringContaining('disk') }])
  })
})

const step = fc.oneof(
  fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    do: fc.constantFrom('end' as const, 'end' as const, 'fail' as const, 'back' as const, 'retry' as const),
    from: fc.nat(10),
    count: fc.integer({ min: 1, max: 10 }),
  }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 700 }) }),
  fc.record({ do: fc.constantFrom('full' as const, 'unreadable' as const) }),
)

describe('GatedSupply, whatever happens', () => {
  it('keeps to the limits, ends every item once, sends each request once, and counts nothing in the end', async () => {
    const options = fc.record({
      pages: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 60 }),
      concurrency: fc.option(fc.integer({ min: 1, max: 3 })),
      rate: fc.option(fc.constantFrom(0.5, 1, 7, 100)),
      dedupe: fc.boolean(),
      answerSize: fc.constantFrom(1_000, 5, 1),
      hostConcurrency: fc.option(fc.integer({ min: 1, max: 4 })),
      // All to one host, and none has to be read.
      isTemplate: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(options, fc.array(step, { maxLength: 30 }), async (setup, steps) => {
        const { concurrency, rate, answerSize, hostConcurrency, isTemplate } = setup
        const dedupe = setup.dedupe && !isTemplate
        const urls = setup.pages.map(([host, page], at) =>
          host === 4 ? `bad line ${page}` : `http://h${host}.example/${page}${dedupe ? '' : `?${at}`}#${at}`,
        )
        const items = new GatedItems({
          urls: isTemplate ? { template: 'http://h.example/{i}', count: urls.length } : urls,
          perHostConcurrency: concurrency,
          perHostRate: rate,
          dedupe,
          hostConcurrency,
        })
        items.answerSize = answerSize
        const limits = { concurrency, rate }
        for (const one of steps) {
          const places = 'from' in one ? all(items).slice(one.from, one.from + one.count) : []
          if (one.do === 'take') items.take(one.count)
          else if (one.do === 'end') items.end(places)
          else if (one.do === 'fail') items.end(places, { failed: true })
          else if (one.do === 'back') items.giveBack(places)
          else if (one.do === 'retry') items.retry(places, 100)
          else if (one.do === 'full') items.isFull = !items.isFull
          else if (one.do === 'unreadable') items.failReads = 2
          await items.pass('ms' in one ? one.ms : 0)
          checkStarts(items, limits)
          expect(items.supply.size + items.out.length + items.endings.size).toBe(urls.length)
        }
        await finish(items, () => checkStarts(items, limits))
        expect([...items.endings.values()].every((times) => times === 1)).toBe(true)
        expect(items.endings.size).toBe(urls.length)
        expect([items.supply.ready, items.supply.size, items.supply.out, inFlightOf(items.hosts)]).toEqual([0, 0, 0, 0])
        if (dedupe) expect([...new Set(items.starts.map(({ index }) => index))].sort(byNumber)).toEqual(items.leaders)
        expect(items.clock.nextDueMs).toBeNull()
      }),
      { numRuns: 250 },
    )
  }, 120_000)
})

function row(index: number, changes: Partial<TaskRecord> = {}): TaskRecord {
  const times = { startedMs: 1, queueWaitMs: 1, serviceMs: 1, cpuMs: null }
  const end = { status: 'SUCCEEDED' as const, output: '"stored"', error: null, fetch: null }
  return { index, sequence: 1, stage: 0, attempts: 1, history: null, lane: 'thread-1', ...times, ...end, ...changes }
}

const outputs = (items: GatedItems) =>
  items.shared.flatMap((columns) => Array.from(columns.indexes, (_, at) => outputAt(columns.outputs, at)))

describe('GatedSupply, duplicates', () => {
  it('hands out the first item of each request, and ends the others with it', async () => {
    const items = new GatedItems({ urls: repeated(50, (at) => `http://a.example/${at % 3}#${at}`), dedupe: true })
    await items.settle()
    expect(items.take(100).map(({ index }) => index)).toEqual([0, 1, 2])
    expect([items.supply.ready, items.supply.size]).toEqual([0, 47])
    items.end([0], { output: '"zero"' })
    items.end([0], { failed: true })
    await items.settle()
    expect(items.supply.size).toBe(15)
    const [columns] = items.shared
    expect(columns).toMatchObject({ count: 32, cpuMs: null, fetches: null })
    expect(new Set(outputs(items))).toEqual(new Set(['"zero"', null]))
    expect(columns!.errors).toHaveLength(16)
    for (const { at, error } of columns!.errors) {
      expect([columns!.outcomes[at], columns!.indexes[at]! % 3, error]).toEqual([Outcome.FAILED, 1, FAILURE])
    }
  })

  it('waits with them while it is tried again', async () => {
    const items = new GatedItems({ urls: repeated(4, () => 'http://a.example/'), dedupe: true })
    await items.settle()
    items.take(9)
    items.retry([0], 100)
    await items.pass(100)
    expect(items.shared).toEqual([])
    expect(items.take(9)).toMatchObject([{ index: 0, attempt: 2 }])
    items.end([0])
    await items.settle()
    expect(items.supply.size).toBe(0)
  })

  it('gives the answer of one that has ended to those that are read after that', async () => {
    const items = new GatedItems({ urls: repeated(60, (at) => `http://a.example/${at % 4}#${at}`), dedupe: true })
    items.answerSize = 1
    while (items.out.length < 4) {
      await items.pass(0)
      items.take(4)
    }
    expect(items.supply.size).toBe(56)
    items.end(all(items), { output: '"shared"' })
    for (let round = 0; items.supply.size > 0 && round < 20; round += 1) await items.pass(0)
    expect(items.starts.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    expect(outputs(items)).toEqual(Array(56).fill('"shared"'))
    expect(items.rowReads).toBe(0)
  })

  it('reads the answer of a leader that ended before, and waits where it is on its way to the disk', async () => {
    const urls = repeated(6, (at) => `http://a.example/${at % 2}`)
    const items = new GatedItems({ urls, dedupe: true, ended: [0, 2, 1] })
    await items.settle()
    // Not at each turn of the event loop.
    expect(items.rowReads).toBe(1)
    items.rows.set(0, row(0))
    await items.pass(20)
    await items.pass(20)
    items.rows.set(1, row(1, { status: 'FAILED', output: null, error: FAILURE }))
    await items.pass(20)
    await items.pass(20)
    expect(items.supply.size).toBe(0)
    expect(items.take(10)).toEqual([])
    expect([...items.endings.keys()].sort()).toEqual([3, 4, 5])
    expect(
      items.shared.flatMap(({ indexes, outcomes }) => Array.from(indexes, (index, at) => [index, outcomes[at]])),
    ).toEqual([
      [4, Outcome.SUCCEEDED],
      [3, Outcome.FAILED],
      [5, Outcome.FAILED],
    ])
  })

  it('gives large answers away in small blocks, and none while nothing can be recorded', async () => {
    const count = 40
    const items = new GatedItems({ urls: repeated(count, () => 'http://a.example/'), dedupe: true })
    await items.settle()
    items.take(1)
    items.isFull = true
    items.end([0], { output: JSON.stringify('x'.repeat(300_000)) })
    await items.settle()
    expect(items.shared).toEqual([])
    items.isFull = false
    for (let round = 0; round < 20; round += 1) await items.pass(0)
    expect(items.endings.size).toBe(count)
    expect(Math.max(...items.shared.map(({ outputs: texts }) => texts!.text.length))).toBeLessThan(1_000_000)
  })

  it('follows a leader with a million items, and tells of them a block at a time', async () => {
    const count = 200_000
    const items = new GatedItems({ urls: { template: 'http://a.example/#{i}', count }, dedupe: true })
    for (let round = 0; round < 80; round += 1) await items.settle()
    expect(items.supply.ready).toBe(1)
    items.take(5)
    items.end([0])
    for (let round = 0; round < 100 && items.supply.size > 0; round += 1) await items.settle()
    expect(items.endings.size).toBe(count)
    expect(Math.max(...items.shared.map((columns) => columns.count))).toBe(1_024)
  })

  it('skips what has not ended when it is stopped', async () => {
    const items = new GatedItems({ urls: repeated(9, () => 'http://a.example/'), dedupe: true })
    await items.settle()
    items.take(1)
    items.end([0])
    items.supply.stop()
    await items.settle()
    expect([items.shared, items.supply.size]).toEqual([[], 8])
  })
})

describe('a gated supply of a retry', () => {
  const urls = repeated(12, (at) => `http://a.example/${at % 3}`)

  it('hands out nothing that it leaves out, with limits and with duplicates', async () => {
    for (const setup of [{ perHostConcurrency: 2 }, { dedupe: true }, { dedupe: true, perHostConcurrency: 1 }]) {
      const items = new GatedItems({ urls, ...setup, leftOut: [0, 1, 4, 7] })
      expect(items.supply.size).toBe(8)
      await items.settle()
      await finish(items)
      expect([...items.endings.keys()].sort(byNumber)).toEqual([2, 3, 5, 6, 8, 9, 10, 11])
      expect(new Set(items.endings.values())).toEqual(new Set([1]))
    }
  })

  it('sends an item whose leader it leaves out, once for all that share its request', async () => {
    const items = new GatedItems({ urls, dedupe: true, leftOut: [0, 1, 4, 7] })
    await items.settle()
    await finish(items)
    // Of each page the first one that is there.
    expect(items.starts.map(({ index }) => index).sort(byNumber)).toEqual([2, 3, 10])
  })

  it('goes on after a restart without what it leaves out and what had ended', async () => {
    const items = new GatedItems({ urls, perHostConcurrency: 3, leftOut: [0, 1, 4, 7], ended: [2, 3] })
    expect(items.supply.size).toBe(6)
    await items.settle()
    await finish(items)
    expect([...items.endings.keys()].sort(byNumber)).toEqual([5, 6, 8, 9, 10, 11])
  })
})
