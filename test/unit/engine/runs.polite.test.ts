import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactInput } from '../../../src/domain/batch.js'
import type { RunKey } from '../../../src/domain/ids.js'
import { urlOf } from '../../../src/domain/request-key.js'
import { Outcome } from '../../../src/domain/results.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'
import { fetchDetail } from '../../support/store.js'

const OK: Verdict = { outcome: Outcome.SUCCEEDED, output: '"body"' }

function refused(retryAfterMs: number | null, status = 429): Verdict {
  return {
    outcome: Outcome.FAILED,
    error: { code: 'HTTP_STATUS', message: `answered with status ${status}`, retryable: true },
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    fetch: { ...fetchDetail, status },
  }
}

function hostOf({ job }: FakeLane, { index, input }: { index: number; input: unknown }): string {
  const url = input ?? (job!.source!.kind === 'file' ? '' : compactInput(job!.source as never, index))
  return urlOf(typeof url === 'string' ? { url } : (url as { url: string }))!.host
}

/** Hosts are others'. */
class Polite extends World {
  override ownHosts = (host: string) => host.startsWith('own')

  get fetching(): FakeLane[] {
    return this.pool.busy.filter(({ job }) => job?.work.kind === 'FETCH')
  }

  /** What lanes hold, by host. */
  get underway(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const lane of this.fetching) {
      for (const held of lane.held) {
        const host = hostOf(lane, held)
        counts[host] = (counts[host] ?? 0) + 1
      }
    }
    return counts
  }

  /** The lane that has this run's, which has one. */
  laneOf(key: RunKey): FakeLane | undefined {
    return this.fetching.find(
      (lane) => lane.held.length > 0 && this.runs.inFlight(key).some((task) => task.lane === lane.name),
    )
  }

  urls(hosts: readonly string[], count: number) {
    return {
      source: { urls: Array.from({ length: count }, (_, at) => `http://${hosts[at % hosts.length]}.example/${at}`) },
    }
  }
}

describe('runs that fetch from one host', () => {
  it('share what it may be asked for, whatever their source', async () => {
    const world = new Polite({ hostConcurrency: 4 })
    const first = await world.fetch({ items: 20 })
    expect(world.underway).toEqual({ 'a.example': 4 })
    const second = await world.fetch({ ...world.urls(['a', 'b'], 20), fetch: { perHostConcurrency: 1 } })
    // What the first one has there is all; the other host has room for as many as the batch allows.
    expect(world.underway).toEqual({ 'a.example': 4, 'b.example': 1 })
    await world.end(world.laneOf(first), OK, 2)
    expect(world.underway).toEqual({ 'a.example': 4, 'b.example': 1 })
    expect(world.runs.hosts(10)).toMatchObject([
      { host: 'a.example', inFlight: 4 },
      { host: 'b.example', inFlight: 1 },
    ])
    expect(world.runs.inFlight(second)).toHaveLength(2)
  })

  it('hold no lane while others have all of it, and get one when there is room', async () => {
    const world = new Polite({ hostConcurrency: 2 })
    const first = await world.fetch({ items: 2 })
    const second = await world.fetch({ items: 2 })
    expect([world.pool.busy.length, world.runs.inFlight(second).length]).toEqual([1, 0])
    await world.end(world.laneOf(first), OK, 1)
    expect([world.pool.busy.length, world.runs.inFlight(second).length]).toEqual([2, 1])
  })

  it('wait for it together where it asks to be left alone, and hand back what waits in a lane', async () => {
    const world = new Polite({ maxInFlight: 4 })
    const template = { template: 'http://own.example/{i}', from: 1, to: 100, step: 1 }
    const plain = await world.fetch({ source: { template } })
    const other = await world.fetch({ source: { template } })
    const elsewhere = await world.fetch({ items: 1 })
    const [lane] = world.fetching
    await world.end(lane, refused(5_000), 1)
    expect(world.fetching.some(({ recalled }) => recalled)).toBe(true)
    const started = world.fetching.reduce((sum, { grants }) => sum + grants.length, 0)
    for (const one of world.fetching) {
      one.end(
        [...one.held.keys()].filter((at) => one.held[at]!.startedAt === null),
        () => ({ outcome: Outcome.NOT_STARTED }),
      )
      await world.end(one, OK)
    }
    await world.settle()
    const mine = () => [plain, other].flatMap((key) => world.runs.inFlight(key))
    expect(mine()).toEqual([])
    expect(world.runs.hosts(10).find(({ host }) => host === 'own.example')).toMatchObject({
      inFlight: 0,
      throttledUntil: new Date(world.clock.now().getTime() + 5_000),
    })
    await world.pass(4_999)
    expect(mine()).toEqual([])
    await world.pass(1)
    expect(mine().length).toBeGreaterThan(0)
    expect(started).toBeGreaterThan(0)
    expect(world.record(elsewhere).status).not.toBe('QUEUED')
  })

  it('go on after a restart, when nothing is known of the host any more', async () => {
    const world = new Polite({ hostConcurrency: 2 })
    const key = await world.fetch({ items: 4 })
    await world.end(world.fetching[0], refused(60_000), 1)
    await world.leave(1_000)
    await world.start()
    expect(world.underway).toEqual({ 'a.example': 2 })
    for (let round = 0; round < 4 && world.fetching.length > 0; round += 1) await world.end(world.fetching[0], OK)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED' })
  })

  it('are not kept from their end by a host that refuses all of them', async () => {
    const world = new Polite({ hostConcurrency: 4, maxInFlight: 4 })
    const key = await world.fetch({ items: 1_000, options: { retry: { maxAttempts: 1 } } })
    for (let round = 0; round < 2_000 && world.record(key).status !== 'FAILED'; round += 1) {
      await world.end(world.fetching[0], refused(null, 502))
      if (world.fetching.length === 0 && world.clock.nextDueMs !== null)
        await world.pass(world.clock.nextDueMs - world.clock.monotonicMs())
    }
    expect(world.record(key)).toMatchObject({ status: 'FAILED', counts: { failed: 1_000 } })
    expect(world.clock.monotonicMs()).toBeLessThan(60_000)
  })
})

const launch = fc.record({
  do: fc.constant('launch' as const),
  hosts: fc.constantFrom<string[]>(['a'], ['a', 'b'], ['own', 'a']),
  items: fc.integer({ min: 1, max: 12 }),
  isTemplate: fc.boolean(),
  priority: fc.integer({ min: 0, max: 1 }),
  strategy: fc.constantFrom<'SEQUENTIAL' | 'ASYNC' | 'THREADS'>('SEQUENTIAL', 'ASYNC', 'THREADS'),
  perHostConcurrency: fc.option(fc.integer({ min: 1, max: 3 })),
  perHostRate: fc.option(fc.constantFrom(2, 50)),
  dedupe: fc.boolean(),
})
type Launch = typeof launch extends fc.Arbitrary<infer Value> ? Value : never
const LAUNCH: Launch = {
  do: 'launch',
  hosts: ['a'],
  items: 1,
  isTemplate: false,
  priority: 0,
  strategy: 'SEQUENTIAL',
  perHostConcurrency: null,
  perHostRate: null,
  dedupe: false,
}
const THREE_RUNS: Launch[] = [
  { ...LAUNCH, items: 2, perHostRate: 50 },
  { ...LAUNCH, isTemplate: true },
  { ...LAUNCH, hosts: ['own', 'a'] },
]
const step = fc.oneof(
  launch,
  fc.record({
    do: fc.constantFrom(
      'end' as const,
      'end' as const,
      'end' as const,
      'refuse' as const,
      'back' as const,
      'die' as const,
    ),
    lane: fc.nat(3),
    count: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  fc.record({ do: fc.constant('crash' as const) }),
)

describe('runs that fetch, whatever happens', () => {
  it('never ask a host for more than all may together, and all come to their end', async () => {
    const limits = fc.record({
      hostConcurrency: fc.integer({ min: 1, max: 4 }),
      maxLanes: fc.integer({ min: 1, max: 3 }),
      maxInFlight: fc.constantFrom(2, 8),
    })
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 25 }), async (limit, steps) => {
        const world = new Polite(limit)
        const keys: RunKey[] = []
        const check = async () => {
          for (const [host, count] of Object.entries(world.underway))
            if (!world.ownHosts(host)) expect(count, host).toBeLessThanOrEqual(limit.hostConcurrency)
          await world.look()
        }
        for (const one of steps) {
          const lanes = world.fetching
          const lane = 'lane' in one ? lanes[one.lane % Math.max(1, lanes.length)] : undefined
          if (one.do === 'launch') {
            const { hosts, items, isTemplate, priority, strategy, ...fetch } = one
            const template = { template: `http://${hosts[0]}.example/{i}`, from: 1, to: items, step: 1 }
            const source = isTemplate ? { source: { template } } : world.urls(hosts, items)
            keys.push(
              await world.fetch({ ...source, fetch, options: { priority, strategy, retry: { maxAttempts: 2 } } }),
            )
          } else if (one.do === 'pass') await world.pass(one.ms)
          else if (one.do === 'crash') await world.crash()
          else if (one.do === 'die') lane?.die({ code: 'LANE_DIED', message: 'gone', retryable: true })
          else if (one.do === 'back') {
            lane?.end(
              [...lane.held.keys()].filter((at) => lane.held[at]!.startedAt === null),
              () => ({ outcome: Outcome.NOT_STARTED }),
            )
          } else await world.end(lane, one.do === 'end' ? OK : refused(one.lane === 0 ? 2_000 : null, 503), one.count)
          await world.settle()
          await check()
        }
        for (let round = 0; keys.some((key) => world.record(key).finishedAt === null); round += 1) {
          if (round > 500) throw new Error('a run never ends')
          for (const lane of world.fetching) await world.end(lane, OK)
          const { nextDueMs } = world.clock
          if (nextDueMs !== null) await world.pass(nextDueMs - world.clock.monotonicMs())
          await check()
        }
        for (const { inFlight, queued } of world.runs.hosts(100)) expect([inFlight, queued]).toEqual([0, 0])
        expect(world.store.problems()).toEqual([])
        expect(world.pool.problems).toEqual([])
      }),
      // The turn goes over to the second run by time alone, while the third one has the only lane.
      { numRuns: 60, examples: [[{ hostConcurrency: 1, maxLanes: 1, maxInFlight: 2 }, THREE_RUNS]] },
    )
  }, 120_000)
})
