import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactInput, toFetchRequest } from '../../../src/domain/batch.js'
import type { TaskError } from '../../../src/domain/errors.js'
import { Outcome } from '../../../src/domain/results.js'
import { doneOf, isFinalRunStatus } from '../../../src/domain/run.js'
import type { Strategy } from '../../../src/domain/strategy.js'
import type { LaunchComputeInput, LaunchFetchInput, LaunchOptionsInput } from '../../../src/engine/engine.js'
import { LIMITS, World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'

type EndKind = 'ok' | 'fail' | 'retryable' | 'later'

/** What can happen to the lanes of a server. */
type LaneStep =
  | { do: 'end'; lane: number; count: number; kind: EndKind }
  | { do: 'die'; lane: number }
  | { do: 'tellWaiting'; lane: number; cpuShare: number | null }
  | { do: 'commit' }
  | { do: 'read' }
  | { do: 'wait'; ms: number }

type Launch = { compute: LaunchComputeInput } | { fetch: LaunchFetchInput }

type Step =
  | LaneStep
  | { do: 'launch'; launch: Launch }
  | { do: 'crash' }
  | { do: 'leave'; drainMs: number; meanwhile: LaneStep[] }
  | { do: 'hold'; what: 'commits' | 'reads' | 'starts' }
  | { do: 'fail'; what: 'commits' | 'reads' | 'starts'; times: number }

const laneStep: fc.Arbitrary<LaneStep> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      lane: fc.nat(8),
      count: fc.integer({ min: 1, max: 6 }),
      kind: fc.constantFrom<EndKind>('ok', 'ok', 'ok', 'fail', 'retryable', 'later'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), lane: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('tellWaiting' as const),
      lane: fc.nat(8),
      cpuShare: fc.constantFrom(null, 0.1, 0.9),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'read' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2000 }) }) },
)

const options: fc.Arbitrary<LaunchOptionsInput> = fc.record({
  strategy: fc.constantFrom<Strategy>('SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES', 'AUTO', 'AUTO'),
  priority: fc.integer({ min: 0, max: 1 }),
  failFast: fc.constantFrom(false, false, false, true),
  retry: fc.record({ maxAttempts: fc.integer({ min: 1, max: 3 }) }),
  timeoutMs: fc.constantFrom(null, null, 1000),
  lanes: fc.option(fc.integer({ min: 1, max: 4 })),
})

const launch: fc.Arbitrary<Launch> = fc.oneof(
  fc.record({
    compute: fc.record({
      function: fc.constant('any'),
      source: fc.oneof(
        fc.integer({ min: 1, max: 40 }).map((to) => ({ range: { from: 0, to, step: 1 } })),
        fc.array(fc.integer(), { minLength: 1, maxLength: 20 }).map((inputs) => ({ inputs })),
      ),
      chunkSize: fc.option(fc.integer({ min: 1, max: 5 })),
      options,
    }),
  }),
  fc.record({
    fetch: fc.record({
      source: fc.oneof(
        fc.integer({ min: 1, max: 40 }).map((to) => ({
          template: { template: 'http://a.example/{i}', from: 1, to, step: 1 },
        })),
        fc
          .array(fc.constantFrom('GET', 'POST'), { minLength: 1, maxLength: 20 })
          .map((methods) => ({ requests: methods.map((method) => ({ url: 'http://a.example/', method })) })),
        fc
          .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3)), { minLength: 1, maxLength: 30 })
          .map((pages) => ({ urls: pages.map(([host, page]) => `http://${host}.example/${page}`) })),
      ),
      fetch: fc.option(
        fc.record({
          perHostConcurrency: fc.option(fc.integer({ min: 1, max: 3 })),
          perHostRate: fc.option(fc.constantFrom(0.5, 2, 30, 1_000)),
          dedupe: fc.boolean(),
        }),
      ),
      options,
    }),
  }),
)

const hindrance = fc.constantFrom('commits' as const, 'reads' as const, 'starts' as const)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: laneStep },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('launch' as const), launch }) },
  { weight: 1, arbitrary: fc.constant({ do: 'crash' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      drainMs: fc.constantFrom(0, 1000),
      meanwhile: fc.array(laneStep, { maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hold' as const), what: hindrance }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      what: hindrance,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
)

const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }

/** What a lane reports: of an item that was cancelled nothing else, of one that has no slot yet only that. */
function verdictOf(lane: FakeLane, kind: EndKind): (held: { startedAt: number | null }) => Verdict {
  const isFetch = lane.job?.work.kind === 'FETCH'
  return ({ startedAt }) => {
    if (lane.cancelled) return { outcome: startedAt === null ? Outcome.NOT_STARTED : Outcome.CANCELLED }
    if (kind === 'ok') return { outcome: Outcome.SUCCEEDED, output: isFetch ? '"body"' : '1' }
    const retryable = kind !== 'fail'
    const code = isFetch ? ('HTTP_STATUS' as const) : ('FUNCTION_ERROR' as const)
    const failed = { outcome: Outcome.FAILED, error: { code, message: 'no', retryable } }
    return kind === 'later' ? { ...failed, retryAfterMs: 3000 } : failed
  }
}

async function launchOn(world: World, one: Launch): Promise<void> {
  const outcome =
    'compute' in one ? await world.runs.launchCompute(one.compute, '') : await world.runs.launchFetch(one.fetch, '')
  expect(outcome.userErrors).toEqual([])
}

function takeLaneStep(world: World, one: LaneStep): void {
  const lane = world.pool.busy[('lane' in one ? one.lane : 0) % Math.max(1, world.pool.busy.length)]
  switch (one.do) {
    case 'end':
      if (lane && lane.held.length > 0) lane.end([...lane.held.keys()].slice(0, one.count), verdictOf(lane, one.kind))
      break
    case 'die':
      lane?.die(GONE)
      break
    case 'tellWaiting':
      lane?.wait(one.cpuShare)
      break
    case 'commit':
      world.store.autoCommit = true
      world.store.release()
      break
    case 'read':
      world.store.autoRead = true
      world.store.releaseReads()
      world.pool.slowStarts = false
      world.pool.letStart()
      break
    case 'wait':
      world.clock.advance(one.ms)
  }
}

async function take(world: World, one: Step): Promise<void> {
  switch (one.do) {
    case 'launch':
      await launchOn(world, one.launch)
      break
    case 'crash':
      return world.crash()
    case 'leave':
      await world.leave(one.drainMs, async () => {
        for (const inner of one.meanwhile) {
          takeLaneStep(world, inner)
          await world.settle()
          await check(world)
        }
      })
      return world.start()
    case 'hold':
      if (one.what === 'commits') world.store.autoCommit = false
      else if (one.what === 'reads') world.store.autoRead = false
      else world.pool.slowStarts = true
      break
    case 'fail':
      if (one.what === 'commits') world.store.failCommits = one.times
      else if (one.what === 'reads') world.store.failReads = one.times
      else world.pool.failStarts = one.times
      break
    default:
      takeLaneStep(world, one)
  }
  await world.settle()
}

async function check(world: World): Promise<void> {
  expect(world.store.problems()).toEqual([])
  expect(world.pool.problems).toEqual([])
  expect(world.pool.busy.length).toBeLessThanOrEqual(LIMITS.maxLanes)
  const fetching = world.pool.busy.filter(({ job }) => job?.work.kind === 'FETCH')
  const inFlight = fetching.reduce((sum, lane) => sum + lane.inService().length, 0)
  expect(inFlight).toBeLessThanOrEqual(LIMITS.maxInFlight)
  checkHosts(fetching)
  await world.look()
}

/** In flight to one host, of one run: the lanes of a run share its options. */
function checkHosts(lanes: readonly FakeLane[]): void {
  const inFlight = new Map<unknown, Map<string, number>>()
  for (const { job, held } of lanes) {
    const fetch = job?.work.kind === 'FETCH' ? job.work.fetch : null
    const hosts = inFlight.get(fetch) ?? new Map<string, number>()
    inFlight.set(fetch, hosts)
    for (const { index, input } of held) {
      const source = job?.source?.kind === 'file' ? null : job?.source
      const { host } = new URL(source ? String(compactInput(source, index)) : toFetchRequest(input).url)
      hosts.set(host, (hosts.get(host) ?? 0) + 1)
      const limit = fetch?.perHostConcurrency ?? null
      if (limit !== null) expect(hosts.get(host)).toBeLessThanOrEqual(limit)
    }
  }
}

/** One of each request was sent, and the others have its answer; what never ended has none. */
async function checkAnswers(world: World): Promise<void> {
  for (const { id, spec, counts } of world.store.records.values()) {
    const [stage] = spec.stages
    const rows = world.store.rows.get(id)!
    if (stage?.kind !== 'FETCH' || stage.fetch.dedupe !== true || spec.source.kind !== 'list') {
      expect(rows.every(({ attempts }) => attempts > 0)).toBe(true)
      continue
    }
    const items = await world.store.items(id, [...Array(counts.total).keys()])
    const keyOf = (index: number) => JSON.stringify(items.get(index))
    const leaders = new Map(rows.filter(({ attempts }) => attempts > 0).map((row) => [keyOf(row.index), row]))
    expect(leaders.size).toBe(rows.filter(({ attempts }) => attempts > 0).length)
    for (const row of rows.filter(({ attempts }) => attempts === 0)) {
      const { status, error, output } = leaders.get(keyOf(row.index))!
      const told = { status, error, output, lane: null, queueWaitMs: null, serviceMs: 0, history: null }
      expect(row).toMatchObject(told)
      expect(row.sequence).toBeGreaterThan(leaders.get(keyOf(row.index))!.sequence)
    }
  }
}

/** Lets everything succeed until nothing is left to do. */
async function finish(world: World): Promise<void> {
  world.store.autoCommit = true
  world.store.autoRead = true
  world.store.failCommits = 0
  world.store.failReads = 0
  world.pool.failStarts = 0
  world.pool.slowStarts = false
  for (let round = 0; round < 400; round += 1) {
    world.store.release()
    world.store.releaseReads()
    world.pool.letStart()
    await world.settle()
    if ([...world.store.records.values()].every(({ status }) => isFinalRunStatus(status))) return
    for (const lane of world.pool.busy) {
      if (lane.held.length > 0) lane.end([...lane.held.keys()], verdictOf(lane, 'ok'))
    }
    await world.settle()
    await check(world)
    world.clock.advance(1000)
  }
  throw new Error('the runs do not end')
}

describe('Runs', () => {
  it('ends every item exactly once, whatever ends, fails, is slow, dies, crashes or leaves, and shows nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(launch, { minLength: 1, maxLength: 4 }),
        fc.array(step, { maxLength: 40 }),
        async (launches, steps) => {
          const world = new World()
          for (const one of launches) await launchOn(world, one)
          await world.settle()
          for (const one of steps) {
            await take(world, one)
            await check(world)
          }
          await finish(world)
          await check(world)
          await checkAnswers(world)
          for (const { counts, status, spec, failure } of world.store.records.values()) {
            expect(doneOf(counts)).toBe(counts.total)
            if (!spec.failFast && failure === null) expect(counts.skipped + counts.cancelled).toBe(0)
            if (status === 'SUCCEEDED') expect(counts.succeeded).toBe(counts.total)
          }
          expect(world.pool.busy).toEqual([])
          // Nothing is left that would fire, or keep a process alive.
          world.clock.advance(100)
          await world.settle()
          expect(world.clock.nextDueMs).toBeNull()
        },
      ),
      { numRuns: 300 },
    )
  }, 300_000)

  it('never holds more lanes than it may, and gives them all back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(launch, { minLength: 3, maxLength: 8 }), async (launches) => {
        const world = new World()
        for (const one of launches) await launchOn(world, one)
        await world.settle()
        expect(world.pool.busy.length).toBeLessThanOrEqual(4)
        expect(world.pool.busy.length).toBeGreaterThan(0)
        await finish(world)
        await world.settle()
        expect(world.pool.busy).toEqual([])
      }),
      { numRuns: 40 },
    )
  }, 120_000)
})
