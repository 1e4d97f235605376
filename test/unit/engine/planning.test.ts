import { afterEach, describe, expect, it } from 'vitest'
import type { BatchPlan } from '../../../src/domain/plan.js'
import { Outcome } from '../../../src/domain/results.js'
import type { BatchInput, PlanCall } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'
import { TestUpload } from '../../support/files.js'

const took = (serviceMs: number, output = '1'): Verdict => ({ outcome: Outcome.SUCCEEDED, serviceMs, output })
const failed = (message: string): Verdict => ({
  outcome: Outcome.FAILED,
  error: { code: 'HTTP_STATUS', message, retryable: false },
})

/** A plan under way, and what has become of it. */
interface Planning {
  plan: BatchPlan | null
  error: unknown
}

let world: World
/** Runs that a test has launched besides. */
let launched = 0

async function ask(batch: BatchInput, call: Partial<PlanCall> = {}): Promise<Planning> {
  const planning: Planning = { plan: null, error: null }
  world.runs.planBatch(batch, { space: '', probing: 'ALLOWED', signal: new AbortController().signal, ...call }).then(
    (plan) => {
      planning.plan = plan
    },
    (error: unknown) => {
      planning.error = error
    },
  )
  await world.settle()
  return planning
}

const compute = (items: number, options: object = {}): BatchInput => ({
  compute: { function: 'any', source: { range: { from: 0, to: items, step: 1 } }, options },
})
const fetchUrls = (urls: string[], fetch: object = {}): BatchInput => ({ fetch: { source: { urls }, fetch } })
const indexes = (lane: FakeLane | undefined) => lane?.held.map(({ index }) => index) ?? []
const heldInputs = () => world.pool.busy.flatMap(({ held }) => held.map(({ input }) => input))

/** Ends whatever lanes are given, until they are given nothing more. */
async function endAll(verdict: Verdict): Promise<void> {
  for (let lane = busy(); lane; lane = busy()) await world.end(lane, verdict)
}
const busy = () => world.pool.busy.find(({ held }) => held.length > 0)

afterEach(() => {
  // Nothing is written down, no lane is kept, and no timer is left behind.
  expect(world.store.records.size).toBe(launched)
  launched = 0
  expect(world.pool.busy).toEqual([])
  expect(world.pool.problems).toEqual([])
  expect(world.clock.nextDueMs).toBeNull()
})

describe('a plan of what a launch would refuse', () => {
  it('has every problem at its place, no advice, and what is known besides', async () => {
    world = new World()
    const batch = {
      fetch: { source: { urls: ['http://a.example/', 'nothing', 'http://a.example/'] }, options: { lanes: 99 } },
    }
    const { plan } = await ask(batch)
    expect(plan?.userErrors.map(({ code, field }) => `${code} ${field?.join('.')}`)).toEqual([
      'INVALID batch.fetch.source.urls.1',
      'INVALID batch.fetch.options.lanes',
    ])
    expect(plan).toMatchObject({ total: 3, duplicates: 1, hosts: [{ host: 'a.example', items: 2 }], advice: null })
    expect(world.pool.acquired).toBe(0)
  })

  it('counts nothing of a source that is larger than may be', async () => {
    world = new World({ maxInlineItems: 2, maxItems: 10 })
    const list = await ask(fetchUrls(['http://a.example/1', 'http://a.example/2', 'http://a.example/3']))
    expect(list.plan).toMatchObject({ total: 3, userErrors: [{ code: 'TOO_MANY_ITEMS' }] })
    const { plan } = await ask(compute(11))
    expect(plan).toMatchObject({ total: 11, duplicates: 0, hosts: [], advice: null })
    expect(plan?.userErrors).toMatchObject([{ code: 'TOO_MANY_ITEMS', field: ['batch', 'compute', 'source', 'range'] }])
  })

  it('says that a full queue would refuse it', async () => {
    world = new World({ maxQueuedTasks: 5 })
    const { plan } = await ask(compute(6))
    expect(plan).toMatchObject({
      total: 6,
      advice: null,
      userErrors: [{ code: 'QUEUE_FULL', field: ['batch', 'compute', 'source'], retryAfterMs: null }],
    })
  })

  it('knows no batch that is none', async () => {
    world = new World()
    const { plan } = await ask({})
    expect(plan).toMatchObject({ total: 0, userErrors: [{ code: 'INVALID', field: ['batch'] }] })
  })
})

describe('a plan without a probe', () => {
  it.each([
    ['DECLINED', /probe is false/],
    ['NOT_BY_GET', /by GET/],
  ] as const)('goes by the kind alone, and says why: %s', async (probing, reason) => {
    world = new World()
    const { plan } = await ask(compute(10), { probing })
    expect(plan?.advice).toMatchObject({ strategy: 'THREADS', lanes: 2, probe: null, expectedWallMs: null })
    expect(plan?.advice?.reasons.at(-1)).toMatch(reason)
    const fetching = await ask(fetchUrls(['http://a.example/']), { probing })
    expect(fetching.plan?.advice).toMatchObject({ strategy: 'ASYNC', probe: null })
    expect(world.pool.acquired).toBe(0)
  })
})

describe('a plan of computes', () => {
  it('tries a few from all over the source, one after the other, and gives the lane back', async () => {
    world = new World()
    const planning = await ask(compute(100))
    const [lane] = world.pool.busy
    expect(lane?.job).toMatchObject({ slots: 1, tellsWaiting: true, timeoutMs: null, work: { function: 'any' } })
    // The first one again at last: its first call was compiled on its way.
    for (const index of [0, 99, 50, 25, 74, 12, 62, 0]) {
      expect(planning.plan).toBeNull()
      expect(indexes(lane)).toEqual([index])
      lane?.end([0], () => took(40), { laneCpuMs: 39 })
      await world.settle()
    }
    expect(planning.plan?.advice).toMatchObject({
      strategy: 'THREADS',
      lanes: 2,
      probe: { tasks: 8, left: 100, items: [0, 99, 50, 25, 74, 12, 62], failed: [] },
    })
    expect(planning.plan?.advice?.expectedWallMs).toBeGreaterThan(2_000)
    expect(world.pool.lanes).toHaveLength(1)
  })

  it('tries neighbours too where tasks are short, until there is enough of them', async () => {
    world = new World()
    const planning = await ask(compute(100_000))
    for (let task = 0; task < 7; task += 1) await world.end(world.pool.busy[0], took(0.1))
    const grants = () => world.pool.lanes[0]!.grants.slice(7)
    expect(grants()).toMatchObject([{ first: 0, count: 64, indexes: null, inputs: null }])
    await endAll(took(0.002))
    expect(grants().map(({ first }) => first)).toEqual([0, 12_500, 25_000, 37_500, 50_000])
    const tried = grants().reduce((sum, { count }) => sum + count, 0)
    expect(tried).toBeGreaterThanOrEqual(4_096)
    expect(tried).toBeLessThan(6_000)
    expect(planning.plan?.advice?.probe).toMatchObject({ serviceMs: 0.002, highMs: 0.002, left: 100_000 })
  })

  it('ends where there is enough', async () => {
    world = new World()
    const planning = await ask(compute(100))
    for (let task = 0; task < 3; task += 1) {
      await world.pass(150)
      await world.end(world.pool.busy[0], took(150), 1)
    }
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', probe: { tasks: 3, serviceMs: 150 } })
    expect(world.pool.lanes[0]).toMatchObject({ killed: false, held: [] })
  })

  it('takes inputs of a list from the list', async () => {
    world = new World()
    const planning = await ask({ compute: { function: 'any', source: { inputs: ['a', 'b', { c: 1 }] } } })
    for (const input of ['a', { c: 1 }, 'b', 'a']) {
      expect(heldInputs()).toEqual([input])
      await world.end(world.pool.busy[0], took(5))
    }
    expect(planning.plan?.advice?.probe).toMatchObject({ items: [0, 2, 1], tasks: 4 })
  })

  it('cancels what takes longer than the time for it, and ends a lane that does not listen', async () => {
    world = new World()
    const planning = await ask(compute(100))
    const [lane] = world.pool.busy
    await world.pass(1_400)
    expect(lane).toMatchObject({ cancelled: true, killed: false })
    expect(planning.plan).toBeNull()
    await world.pass(500)
    expect(lane?.killed).toBe(true)
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null, probe: { tasks: 0 } })
    expect(planning.plan?.advice?.reasons).toEqual(
      expect.arrayContaining(['The first task that was tried has taken 1.4 s and goes on.']),
    )
  })

  it('fans out what waits for longer than there is time', async () => {
    world = new World()
    const planning = await ask(compute(100))
    const [lane] = world.pool.busy
    lane?.wait(null)
    lane?.wait(0.01)
    await world.pass(1_400)
    lane?.end([0], () => ({ outcome: Outcome.CANCELLED }))
    await world.settle()
    expect(lane?.killed).toBe(false)
    expect(planning.plan?.advice).toMatchObject({ strategy: 'ASYNC', concurrency: 16, expectedWallMs: null })
  })

  it('has a run have the lane when it is its turn, and goes on when it is its own', async () => {
    world = new World({ maxLanes: 1, cores: 1 })
    const planning = await ask(compute(100))
    launched = 1
    const key = await world.compute({ items: 1, options: { strategy: 'SEQUENTIAL' } })
    await world.pass(200)
    // What was begun is ended first.
    expect(indexes(world.pool.busy[0])).toEqual([0])
    await world.end(world.pool.busy[0], took(200))
    expect(world.pool.busy[0]?.job?.tellsWaiting).toBe(false)
    await endAll(took(10))
    expect((await world.view(key)).record.status).toBe('SUCCEEDED')
    expect(planning.plan?.advice?.probe).toMatchObject({ tasks: 8 })
    // Of turns.
    await world.pass(100)
  })

  it('says that nothing was measured where no lane was free', async () => {
    world = new World({ maxLanes: 1 })
    world.pool.slowStarts = true
    const planning = await ask(compute(100))
    await world.pass(1_400)
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', probe: null, expectedWallMs: null })
    expect(planning.plan?.advice?.reasons.at(-1)).toBe('No lane was free in 1.4 s: nothing was measured.')
    world.pool.letStart()
    await world.settle()
  })

  it('says what kept lanes from starting', async () => {
    world = new World()
    world.pool.failStarts = 100
    const planning = await ask(compute(100))
    for (let pass = 0; pass < 14; pass += 1) await world.pass(100)
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null })
    expect(planning.plan?.advice?.reasons.at(-1)).toMatch(/No lane was free|no lane could be started/)
  })

  it('tells of tasks that failed, and of a lane that died of one', async () => {
    world = new World()
    const planning = await ask(compute(100))
    await world.end(world.pool.busy[0], failed('no'))
    world.pool.busy[0]?.die({ code: 'OUT_OF_MEMORY', message: 'it ran out of memory', retryable: false })
    await world.settle()
    expect(planning.plan?.advice?.reasons).toEqual(
      expect.arrayContaining([
        'Item 0 failed, HTTP_STATUS: no.',
        'Item 99 failed, OUT_OF_MEMORY: it ran out of memory.',
      ]),
    )
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null })
    expect(world.pool.lanes).toHaveLength(1)
  })

  it('ends a lane whose task is past its time limit', async () => {
    world = new World()
    const planning = await ask(compute(100, { timeoutMs: 200 }))
    for (let pass = 0; pass < 6; pass += 1) await world.pass(50)
    expect(world.pool.lanes[0]?.killed).toBe(true)
    expect(planning.plan?.advice?.reasons.join()).toContain('Item 0 failed, TIMEOUT')
  })

  it('tries in a process what is to run in processes', async () => {
    world = new World()
    const planning = await ask(compute(10, { strategy: 'PROCESSES' }))
    expect(world.pool.busy.map(({ kind }) => kind)).toEqual(['PROCESS'])
    await endAll(took(60))
    expect(planning.plan?.advice?.reasons.at(-1)).toMatch(/asks for PROCESSES.*expected time is that of THREADS/)
  })

  it('advises as if nothing but the concurrency were asked for', async () => {
    world = new World()
    const planning = await ask(compute(10, { strategy: 'SEQUENTIAL' }))
    await endAll(took(60))
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', lanes: 2, concurrency: 2 })
    const single = await ask(compute(10, { strategy: 'THREADS', concurrency: 1 }))
    await endAll(took(60))
    expect(single.plan?.advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1 })
  })
})

describe('a plan of fetches', () => {
  it('sends a few, one at a time to each host, spread over the source', async () => {
    world = new World()
    const urls = Array.from({ length: 20 }, (_, at) => `http://${at < 10 ? 'a' : 'b'}.example/${at}`)
    const planning = await ask(fetchUrls(urls, { bodyPolicy: 'STORE' }))
    expect(heldInputs()).toEqual(['http://a.example/0', 'http://b.example/19'])
    // What would be stored is read and dropped.
    expect(world.pool.busy[0]?.job?.work).toMatchObject({ fetch: { bodyPolicy: 'DISCARD' }, storesFor: null })
    await world.end(world.pool.busy[0], took(50), 1)
    expect(heldInputs()).toEqual(['http://b.example/19', 'http://a.example/5'])
    await endAll(took(50))
    expect(planning.plan?.hosts).toEqual([
      { host: 'a.example', items: 10 },
      { host: 'b.example', items: 10 },
    ])
    expect(planning.plan?.advice).toMatchObject({
      strategy: 'ASYNC',
      concurrency: 8,
      probe: { tasks: 5, serviceMs: 50, items: [0, 19, 5, 10, 14] },
    })
    expect(planning.plan?.advice?.expectedWallMs).toBeCloseTo(3 * 50)
  })

  it('asks a host no more often than the batch may', async () => {
    world = new World()
    const urls = Array.from({ length: 20 }, (_, at) => `http://a.example/${at}`)
    const planning = await ask(fetchUrls(urls, { perHostRate: 2 }))
    expect(heldInputs()).toEqual(['http://a.example/0'])
    await world.end(world.pool.busy[0], took(10))
    // What waits for its host holds no lane.
    expect(world.pool.busy).toEqual([])
    await world.pass(500)
    expect(heldInputs()).toEqual([])
    await world.pass(10)
    expect(heldInputs()).toEqual(['http://a.example/19'])
    await world.end(world.pool.busy[0], took(10))
    await world.pass(510)
    await endAll(took(10))
    expect(planning.plan?.advice?.probe).toMatchObject({ tasks: 3, items: [0, 19, 10] })
    expect(planning.plan?.advice?.reasons.at(-1)).toMatch(/perHostRate sets the pace: 20 requests to a.example/)
  })

  it('sends one where a second one would come too late', async () => {
    world = new World()
    const planning = await ask(fetchUrls(['http://a.example/1', 'http://a.example/2'], { perHostRate: 0.2 }))
    await world.end(world.pool.busy[0], took(10))
    expect(planning.plan?.advice?.probe).toMatchObject({ tasks: 1 })
  })

  it('never sends a method that is not safe, and says so', async () => {
    world = new World()
    const requests = [
      { url: 'http://a.example/1', method: 'POST' },
      { url: 'http://a.example/2', method: 'delete' },
      { url: 'http://a.example/3', method: 'head' },
    ]
    const planning = await ask({ fetch: { source: { requests } } })
    expect(heldInputs()).toMatchObject([{ url: 'http://a.example/3', method: 'HEAD' }])
    await endAll(took(10))
    expect(planning.plan?.advice?.reasons.at(-1)).toMatch(/^2 of 3 requests have a method that may change something/)
    const none = await ask({ fetch: { source: { requests: requests.slice(0, 2) } } })
    expect(none.plan?.advice).toMatchObject({ strategy: 'ASYNC', probe: null, expectedWallMs: null })
    expect(none.plan?.advice?.reasons.at(-1)).toBe('No item could be tried: nothing was measured.')
    expect(world.pool.lanes[0]?.grants).toHaveLength(1)
  })

  it.each([
    [1, '1 of 1 request'],
    [2, '1 of 2 requests'],
  ])('speaks of one such method of %d as of one', async (total, count) => {
    world = new World()
    const requests = [{ url: 'http://a.example/1', method: 'POST' }, { url: 'http://a.example/2' }].slice(0, total)
    const planning = await ask({ fetch: { source: { requests } } })
    await endAll(took(10))
    expect(planning.plan?.advice?.reasons).toContain(
      `${count} has a method that may change something where it goes: it is not sent for a plan.`,
    )
  })

  it('keeps to what may be in flight over all runs', async () => {
    world = new World({ maxInFlight: 1 })
    const planning = await ask(fetchUrls(['http://a.example/', 'http://b.example/', 'http://c.example/']))
    expect(heldInputs()).toHaveLength(1)
    await world.end(world.pool.busy[0], took(10))
    expect(heldInputs()).toHaveLength(1)
    await endAll(took(10))
    expect(planning.plan?.advice?.probe).toMatchObject({ tasks: 3 })
  })

  it('keeps to what the batch may have in flight', async () => {
    world = new World()
    const urls = ['http://a.example/', 'http://b.example/', 'http://c.example/']
    const planning = await ask({ fetch: { source: { urls }, options: { concurrency: 2 } } })
    expect(heldInputs()).toHaveLength(2)
    await endAll(took(10))
    expect(planning.plan?.advice?.concurrency).toBe(2)
  })

  it('counts what is sent once where requests repeat', async () => {
    world = new World()
    const urls = Array.from({ length: 64 }, (_, at) => `http://a.example/${at % 8}`)
    const planning = await ask(fetchUrls(urls, { dedupe: true, perHostConcurrency: 1 }))
    await endAll(took(10))
    expect(planning.plan).toMatchObject({ total: 64, duplicates: 56 })
    expect(planning.plan?.advice?.expectedWallMs).toBeCloseTo(80)
  })

  it('tells of those that fail, and of those that hang', async () => {
    world = new World()
    const planning = await ask(fetchUrls(['http://a.example/', 'http://b.example/']))
    await world.end(world.pool.busy[0], failed('404 Not Found'), 1)
    await world.pass(1_400)
    world.pool.busy[0]?.end([0], () => ({ outcome: Outcome.CANCELLED }))
    await world.settle()
    expect(planning.plan?.advice).toMatchObject({
      strategy: 'ASYNC',
      expectedWallMs: null,
      probe: { failed: [{ index: 0 }] },
    })
    expect(planning.plan?.advice?.reasons.slice(-2)).toEqual([
      'Item 0 failed, HTTP_STATUS: 404 Not Found.',
      'One had not ended after 1.4 s, and was not waited for.',
    ])
  })
})

describe('a plan of a pipeline', () => {
  const pipeline = (stages: object[], urls = ['http://a.example/1', 'http://a.example/2']): BatchInput => ({
    pipeline: { source: { urls }, stages: stages as never },
  })
  const STAGES = [{ fetch: { fetch: { bodyPolicy: 'JSON' } } }, { compute: { function: 'any', inputFrom: '/n' } }]

  it('has each item go through all stages before the next one does', async () => {
    world = new World()
    const planning = await ask(pipeline(STAGES))
    expect(heldInputs()).toEqual(['http://a.example/1'])
    await world.end(world.pool.busy[0], took(20, '{"n":[5]}'))
    expect(world.pool.busy[0]?.job?.work).toMatchObject({ kind: 'COMPUTE' })
    expect(heldInputs()).toEqual([[5]])
    await world.end(world.pool.busy[0], took(80))
    expect(heldInputs()).toEqual(['http://a.example/2'])
    await world.end(world.pool.busy[0], took(20, '{"n":6}'))
    await world.end(world.pool.busy[0], took(80))
    expect(planning.plan).toMatchObject({ total: 2, hosts: [{ host: 'a.example', items: 2 }] })
    expect(planning.plan?.advice).toMatchObject({
      strategy: 'THREADS',
      probe: {
        stages: [
          { name: 'fetch', tasks: 2 },
          { name: 'any', tasks: 2, serviceMs: 80 },
        ],
      },
    })
    expect(planning.plan?.advice?.expectedWallMs).toBeGreaterThanOrEqual(100)
    expect(world.pool.lanes).toHaveLength(1)
  })

  it('tells of items that find nothing in what the stage before gave', async () => {
    world = new World()
    const planning = await ask(pipeline(STAGES))
    await endAll(took(20, '{"m":1}'))
    expect(planning.plan?.advice?.reasons.join()).toMatch(/any: Item 0 failed, INVALID_INPUT: .*points at nothing/)
    expect(planning.plan?.advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null })
  })

  it('never sends what an earlier stage made a method of that is not safe', async () => {
    world = new World()
    const planning = await ask(pipeline([STAGES[0]!, { fetch: { name: 'post' } }], ['http://a.example/']))
    await world.end(world.pool.busy[0], took(20, '{"url":"http://b.example/","method":"POST"}'))
    expect(world.pool.busy).toEqual([])
    expect(planning.plan?.advice?.reasons.at(-1)).toBe('post: item 0 is a POST, which is not sent for a plan.')
  })

  it('keeps to the limits of each stage over all items', async () => {
    world = new World()
    const stages = [{ fetch: { fetch: { perHostRate: 1 } } }]
    const planning = await ask(pipeline(stages, ['http://a.example/1', 'http://a.example/2', 'http://a.example/3']))
    await world.end(world.pool.busy[0], took(20))
    expect(world.pool.busy).toEqual([])
    await world.pass(1_020)
    expect(heldInputs()).toEqual(['http://a.example/3'])
    await world.end(world.pool.busy[0], took(20))
    await world.pass(400)
    expect(planning.plan?.advice?.probe).toMatchObject({ tasks: 2 })
  })
})

describe('plans', () => {
  it('try one after the other, and those that wait too long do without', async () => {
    world = new World()
    const first = await ask(compute(10))
    const second = await ask(compute(10))
    expect(world.pool.busy).toHaveLength(1)
    await endAll(took(60))
    expect(first.plan?.advice?.probe).toMatchObject({ tasks: 7 })
    expect(second.plan?.advice?.probe).toMatchObject({ tasks: 7 })
    const slow = await ask(compute(10))
    await world.pass(100)
    const late = await ask(compute(10))
    await world.pass(1_300)
    await world.pass(500)
    expect(slow.plan?.advice?.probe).toMatchObject({ tasks: 0 })
    expect(late.plan?.advice?.reasons.at(-1)).toBe('Other plans took all of the time for it: nothing was measured.')
  })

  it('end where nobody waits for them any more', async () => {
    world = new World()
    const leaving = new AbortController()
    const planning = await ask(compute(10), { signal: leaving.signal })
    leaving.abort(new Error('gone'))
    await world.settle()
    expect(world.pool.busy[0]?.cancelled).toBe(true)
    await world.pass(500)
    expect(planning).toMatchObject({ plan: null, error: new Error('gone') })
  })

  it('end when the server leaves', async () => {
    world = new World()
    const planning = await ask(compute(10))
    await world.leave(0)
    expect(planning.error).toEqual(new Error('the server is leaving'))
    const after = await ask(compute(10))
    expect(after.error).toEqual(new Error('the server is leaving'))
  })

  it('hold a file while it is looked at, and keep none', async () => {
    world = new World()
    const upload = new TestUpload('file', { kind: 'refused', code: 'INVALID', reason: 'it is empty' })
    const { plan } = await ask({ compute: { function: 'any', source: { file: upload } } })
    expect(plan?.userErrors).toMatchObject([{ code: 'INVALID', field: ['batch', 'compute', 'source', 'file'] }])
    expect(upload).toMatchObject({ holders: 0, isKept: false })
  })
})
