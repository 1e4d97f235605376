import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Gates } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { fileOf, formOf, send, uploadsIn } from '../support/uploads.js'

let origin: Origin
let server: TestServer

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_MAX_LANES: '3' })
  // The first fetch of a lane loads what it fetches with.
  await plan({ fetch: { source: { urls: [`${origin.url}/ok?first`] } } })
})
afterAll(async () => {
  await server.close()
  await origin.close()
  expect(server.logged).toEqual([])
})

const PLAN = `query($batch: BatchInput!, $probe: Boolean) {
  planBatch(batch: $batch, probe: $probe) {
    total duplicates hosts { host items } hostCount
    advice { strategy concurrency lanes reasons probe expectedWallMs expectedWallHighMs }
    userErrors { code message field }
  }
}`

interface Advice {
  strategy: string
  concurrency: number
  lanes: number
  reasons: string[]
  probe: Record<string, unknown>
  expectedWallMs: number | null
  expectedWallHighMs: number | null
}

interface Plan {
  total: number
  duplicates: number
  hosts: { host: string; items: number }[]
  hostCount: number
  advice: Advice | null
  userErrors: { code: string; message: string; field: string[] | null }[]
}

async function plan(batch: object, probe?: boolean): Promise<Plan> {
  const { planBatch } = await server.api.ask<{ planBatch: Plan }>(PLAN, { batch, probe })
  return planBatch
}

async function planFile(batch: (file: File) => object, file: File): Promise<Plan> {
  const { body } = await send<{ planBatch: Plan }>(server.api.url, formOf(PLAN, { batch: batch(file) }))
  if (!body.data) throw new Error(JSON.stringify(body.errors))
  return body.data.planBatch
}

const SYSTEM = '{ runs { totalCount } system { queuedTasks runningTasks lanes { busy } } }'

/** No run, no file, no lane that is busy. */
async function leavesNothing(): Promise<void> {
  const { runs, system } = await server.api.ask<{
    runs: { totalCount: number }
    system: { queuedTasks: number; runningTasks: number; lanes: { busy: boolean }[] }
  }>(SYSTEM)
  expect(runs.totalCount).toBe(0)
  expect(system).toMatchObject({ queuedTasks: 0, runningTasks: 0 })
  expect(system.lanes.filter(({ busy }) => busy)).toEqual([])
  expect(uploadsIn(server.dataDir)).toEqual([])
}
afterEach(leavesNothing)

const act = (inputs: object[], options: object = {}) => ({ compute: { function: 'act', source: { inputs }, options } })

describe('planBatch of computes', () => {
  it('has a hundred long ones go to threads, and expects about half of what they take', async () => {
    const { total, duplicates, advice } = await plan(act(Array(100).fill({ do: 'burn', ms: 40 })))
    expect([total, duplicates]).toEqual([100, 99])
    expect(advice).toMatchObject({ strategy: 'THREADS', lanes: 2, concurrency: 2 })
    expect(advice?.reasons[0]).toMatch(/^\d+ tasks tried: .* ms each, .*\d+ % of (it|the rest) on the CPU\.$/)
    expect(advice?.reasons.at(-1)).toMatch(/and 2 lanes on \d+ cores? would save/)
    expect(advice?.expectedWallMs).toBeGreaterThanOrEqual(2_000)
    expect(advice?.expectedWallHighMs).toBeGreaterThan(advice?.expectedWallMs ?? 0)
    expect(advice?.probe).toMatchObject({ left: 100, yields: false, failed: [] })
  })

  it('keeps three tiny sums on one lane', async () => {
    const { advice } = await plan({ compute: { function: 'sumOfSquares', source: { inputs: [10, 20, 30] } } })
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1, concurrency: 1, probe: { items: [0, 2, 1] } })
    expect(advice?.reasons.at(-1)).toMatch(/more than it would save/)
  })

  it('fans out what waits, and lets go of what it was waiting for', async () => {
    const gates = new Gates()
    await gates.listen()
    try {
      const inputs = Array.from({ length: 40 }, (_, at) => gates.input(`gate ${at}`))
      const planned = plan(act(inputs))
      await gates.reached('gate 0')
      await gates.left('gate 0')
      const { advice } = await planned
      expect(advice).toMatchObject({
        strategy: 'ASYNC',
        lanes: 1,
        concurrency: 16,
        probe: { yields: true, items: [0] },
      })
      expect(advice?.reasons.join('\n')).toMatch(/They wait more than they compute/)
    } finally {
      await gates.close()
    }
  })

  it('ends what never returns, and its lane with it, and says so', async () => {
    const { advice } = await plan(act([{ do: 'spin' }, { do: 'spin' }]))
    expect(advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null, probe: { tasks: 0 } })
    expect(advice?.reasons.join()).toContain('had not ended')
  })

  it('survives functions that end their lane', async () => {
    const { advice } = await plan(act(Array(5).fill({ do: 'exit', code: 3 })))
    expect(advice).toMatchObject({
      strategy: 'THREADS',
      expectedWallMs: null,
      probe: { failed: [{ index: 0, code: 'LANE_DIED' }] },
    })
  })

  it('tries in processes what is to run there', async () => {
    const { advice } = await plan(act(Array(200).fill({ do: 'burn', ms: 60 }), { strategy: 'PROCESSES' }))
    expect(advice?.strategy).toBe('THREADS')
    expect(advice?.reasons.at(-1)).toMatch(/asks for PROCESSES/)
  })

  it('keeps to the lanes and the concurrency that are asked for', async () => {
    const burns = Array(200).fill({ do: 'burn', ms: 60 })
    expect((await plan(act(burns, { lanes: 3 }))).advice).toMatchObject({
      strategy: 'THREADS',
      lanes: 3,
      concurrency: 3,
    })
    expect((await plan(act(burns, { lanes: 3, concurrency: 2 }), false)).advice).toMatchObject({
      lanes: 2,
      concurrency: 2,
    })
    expect((await plan(act(burns, { lanes: 1 }))).advice).toMatchObject({ strategy: 'SEQUENTIAL', lanes: 1 })
  })

  it('answers as a launch would, with every problem at its place', async () => {
    const { advice, userErrors, total } = await plan({
      compute: {
        function: 'sumOfSquares',
        source: { inputs: [1, 'x', -3] },
        chunkSize: 0,
        options: { strategy: 'CLUSTER' },
      },
    })
    expect([advice, total]).toEqual([null, 3])
    expect(userErrors.map(({ code, field }) => [code, field?.join('.')])).toEqual([
      ['INVALID', 'batch.compute.source.inputs.1'],
      ['INVALID', 'batch.compute.source.inputs.2'],
      ['INVALID', 'batch.compute.chunkSize'],
      ['CLUSTER_UNAVAILABLE', 'batch.compute.options.strategy'],
    ])
  })

  it('counts ten million numbers at once', async () => {
    const { total, duplicates, advice } = await plan(
      { compute: { function: 'sumOfSquares', source: { range: { from: 0, to: 1e7 } } } },
      false,
    )
    expect([total, duplicates]).toEqual([1e7, 0])
    expect(advice).toMatchObject({ strategy: 'THREADS', probe: {}, expectedWallMs: null })
  })
})

describe('planBatch of fetches', () => {
  it('sends a few, one after the other, spread over the source, and expects what all would take', async () => {
    const before = origin.requests()
    const host = `localhost:${origin.port}`
    const template = `http://${host}/delay?ms=30&plan={i}`
    const { hosts, advice, total } = await plan({ fetch: { source: { template: { template, from: 1, to: 128 } } } })
    expect(total).toBe(128)
    expect(hosts).toEqual([{ host, items: 128 }])
    expect(advice).toMatchObject({ strategy: 'ASYNC', lanes: 1, concurrency: 64 })
    expect(advice?.probe).toMatchObject({ yields: true })
    expect(advice?.expectedWallMs).toBeGreaterThanOrEqual(60)
    const sent = origin.requests() - before
    expect(sent).toBeGreaterThanOrEqual(3)
    expect(sent).toBeLessThanOrEqual(5)
    expect(origin.mostAtOnce(host)).toBe(1)
    const urls = origin.arrivals.slice(before).map(({ url }) => new URL(url, origin.url).searchParams.get('plan'))
    expect(urls.slice(0, 3)).toEqual(['1', '128', '65'])
  })

  it('asks a host no more often than the batch may: once in five seconds is once', async () => {
    const before = origin.requests('/ok')
    const urls = [1, 2, 3, 4].map((at) => `${origin.url}/ok?rate=${at}`)
    const { advice } = await plan({ fetch: { source: { urls }, fetch: { perHostRate: 0.2 } } })
    expect(origin.requests('/ok') - before).toBe(1)
    expect(advice?.probe).toMatchObject({ tasks: 1, items: [0] })
    expect(advice?.expectedWallMs).toBeGreaterThan(15_000)
  })

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('never sends %s', async (method) => {
    const before = origin.requests()
    const requests = [1, 2, 3].map((at) => ({ url: `${origin.url}/echo?unsafe=${at}`, method }))
    const { advice, hosts } = await plan({ fetch: { source: { requests } } })
    expect(origin.requests()).toBe(before)
    expect(hosts).toHaveLength(1)
    expect(advice).toMatchObject({ strategy: 'ASYNC', probe: {}, expectedWallMs: null })
    expect(advice?.reasons.join('\n')).toContain('3 of 3 requests have a method that may change something')
  })

  it('sends nothing with probe: false', async () => {
    const before = origin.requests()
    const { advice } = await plan({ fetch: { source: { urls: [`${origin.url}/ok?declined`] } } }, false)
    expect(origin.requests()).toBe(before)
    expect(advice?.reasons.at(-1)).toBe('Nothing was measured, as probe is false.')
  })

  it('sends nothing by GET, whatever probe says', async () => {
    const before = origin.requests()
    const query = `{ planBatch(batch: { fetch: { source: { urls: ["${origin.url}/ok?get"] } } }, probe: true) { total advice { reasons probe } } }`
    const response = await fetch(`${server.api.url}/graphql?query=${encodeURIComponent(query)}`)
    const { data } = (await response.json()) as { data: { planBatch: Plan } }
    expect(origin.requests()).toBe(before)
    expect(data.planBatch).toMatchObject({ total: 1, advice: { probe: {} } })
    expect(data.planBatch.advice?.reasons.at(-1)).toMatch(/by GET/)
  })

  it('keeps to where requests may go, and tells of what failed without failing', async () => {
    const urls = ['http://10.1.2.3/', `${origin.url}/status?code=404`, `${origin.url}/ok?beside`]
    const { advice, userErrors } = await plan({ fetch: { source: { urls } } })
    expect(userErrors).toEqual([])
    expect(advice?.reasons.join('\n')).toMatch(/Item 0 failed, DESTINATION_FORBIDDEN/)
    expect(advice?.reasons.join('\n')).toMatch(/Item 1 failed, HTTP_STATUS/)
    expect(advice?.probe).toMatchObject({ tasks: 1 })
    expect(advice?.expectedWallMs).not.toBeNull()
  })

  it('lets go of what hangs', async () => {
    const { advice } = await plan({ fetch: { source: { urls: [`${origin.url}/hold/plan`] } } })
    expect(advice).toMatchObject({ strategy: 'ASYNC', expectedWallMs: null })
    expect(advice?.reasons.at(-1)).toMatch(/had not ended after/)
    await origin.abandoned('/hold/plan')
  })

  it('reads bodies as the batch would, and stores none', async () => {
    const bodies = async () => (await import('node:fs')).readdirSync(`${server.dataDir}/blobs`, { recursive: true })
    const before = await bodies().catch(() => [])
    const urls = [`${origin.url}/bytes?n=100000`]
    const stored = await plan({ fetch: { source: { urls }, fetch: { bodyPolicy: 'STORE' } } })
    expect(stored.advice?.probe).toMatchObject({ tasks: 1, failed: [] })
    expect(await bodies().catch(() => [])).toEqual(before)
    const parsed = await plan({ fetch: { source: { urls }, fetch: { bodyPolicy: 'JSON' } } })
    expect(parsed.advice?.reasons.join()).toContain('Item 0 failed, DECODING')
  })

  it('counts ten million hosts at once, and names a thousand', async () => {
    const source = { template: { template: 'https://s{i}.example/', from: 1, to: 1e7 } }
    const { total, hosts, hostCount, duplicates } = await plan({ fetch: { source } }, false)
    expect([total, hostCount, duplicates, hosts.length]).toEqual([1e7, 1e7, 0, 1_000])
  })
})

describe('planBatch of a file', () => {
  it('tells of each bad line, and advises all the same: it would fail its own task alone', async () => {
    const lines = '1\n\n"x"\n2\n{"a":1\n-5\n2\n'
    const { total, duplicates, userErrors, advice } = await planFile(
      (file) => ({ compute: { function: 'sumOfSquares', source: { file } } }),
      fileOf(lines),
    )
    expect([total, duplicates]).toEqual([6, 1])
    expect(userErrors.map(({ code, field }) => [code, field?.join('.')])).toEqual([
      ['INVALID', 'batch.compute.source.file.1'],
      ['INVALID', 'batch.compute.source.file.3'],
      ['INVALID', 'batch.compute.source.file.4'],
    ])
    expect(userErrors[1]?.message).toContain('the line is no JSON')
    expect(advice).toMatchObject({ strategy: 'SEQUENTIAL', probe: { failed: [] } })
    await until(() => uploadsIn(server.dataDir).length === 0)
  })

  it('tells a hundred of many, and how many more there are', async () => {
    const lines = Array.from({ length: 5_000 }, (_, at) => (at % 2 === 0 ? 'nothing' : `${origin.url}/ok?line=${at}`))
    const { total, userErrors, hosts } = await planFile(
      (file) => ({ fetch: { source: { file } } }),
      fileOf(lines.join('\n')),
    )
    expect(total).toBe(5_000)
    expect(userErrors).toHaveLength(100)
    expect(userErrors.at(-1)).toMatchObject({ message: 'and 2401 more problems', field: null })
    expect(hosts).toEqual([{ host: `127.0.0.1:${origin.port}`, items: 2_500 }])
    await until(() => uploadsIn(server.dataDir).length === 0)
  })

  it('takes items of a file from all over it', async () => {
    const lines = Array.from({ length: 4_000 }, (_, at) => JSON.stringify({ do: 'echo', value: at })).join('\n')
    const { advice } = await planFile((file) => ({ compute: { function: 'act', source: { file } } }), fileOf(lines))
    expect(advice?.probe).toMatchObject({ items: [0, 3_999, 2_000, 1_000, 2_999, 500, 2_499], failed: [] })
    await until(() => uploadsIn(server.dataDir).length === 0)
  })

  it('removes it where the client leaves meanwhile', async () => {
    const leaving = new AbortController()
    const form = formOf(PLAN, {
      batch: { compute: { function: 'act', source: { file: fileOf([{ do: 'spin' }, { do: 'spin' }]) } } },
    })
    const left = fetch(`${server.api.url}/graphql`, { method: 'POST', body: form, signal: leaving.signal }).catch(
      () => null,
    )
    const isBusy = async () => {
      const { system } = await server.api.ask<{ system: { lanes: { busy: boolean }[] } }>(SYSTEM)
      return system.lanes.some(({ busy }) => busy)
    }
    while (!(await isBusy()));
    leaving.abort()
    await left
    while (await isBusy());
    await until(() => uploadsIn(server.dataDir).length === 0)
  })
})

describe('planBatch of a pipeline', () => {
  it('has items go through the stages, and says which of them sets the pace', async () => {
    const before = origin.requests('/json')
    const template = `${origin.url}/json?i={i}`
    const { total, hosts, advice } = await plan({
      pipeline: {
        source: { template: { template, from: 1, to: 300 } },
        stages: [{ fetch: { fetch: { bodyPolicy: 'JSON' } } }, { compute: { function: 'act', name: 'burn' } }],
      },
    })
    expect([total, hosts]).toEqual([300, [{ host: `127.0.0.1:${origin.port}`, items: 300 }]])
    expect(origin.requests('/json') - before).toBeLessThanOrEqual(5)
    // What the origin answers is no input of the function.
    expect(advice?.reasons.join('\n')).toMatch(/burn: Item 0 failed, INVALID_INPUT/)
    expect(advice?.reasons.join('\n')).toMatch(/What sets the pace is not known/)
    expect(advice).toMatchObject({ strategy: 'THREADS', expectedWallMs: null })
  })

  it('hands over what the next stage takes', async () => {
    const { advice } = await plan({
      pipeline: {
        source: { urls: Array.from({ length: 50 }, (_, at) => `${origin.url}/json?i=${1_000_000 + at}`) },
        stages: [
          { fetch: { fetch: { bodyPolicy: 'JSON' } } },
          { compute: { function: 'countPrimes', inputFrom: '/id' } },
          { compute: { function: 'same', name: 'last' } },
        ],
      },
    })
    expect(advice?.probe.stages).toMatchObject([
      { name: 'fetch', strategy: 'ASYNC', failed: [] },
      { name: 'countPrimes', failed: [] },
      { name: 'last', failed: [] },
    ])
    expect(advice?.reasons.at(-1)).toMatch(/\(stage \d of 3\) sets the pace/)
    expect(advice?.expectedWallMs).toBeGreaterThan(0)
  })
})

describe('planBatch beside runs', () => {
  it('waits for a lane no longer than it may, and does without', async () => {
    const busy = await startTestServer({
      HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
      HEDDLE_LANES: '1',
      HEDDLE_MAX_LANES: '1',
      HEDDLE_DRAIN_MS: '0',
    })
    try {
      const id = await busy.api.start(busy.api.launchCompute({ function: 'act', source: { inputs: [{ do: 'spin' }] } }))
      await busy.api.running(id, 1)
      const { planBatch } = await busy.api.ask<{ planBatch: Plan }>(PLAN, {
        batch: act([{ do: 'echo' }, { do: 'echo' }]),
      })
      expect(planBatch.advice).toMatchObject({ strategy: 'THREADS', probe: {}, expectedWallMs: null })
      expect(planBatch.advice?.reasons.at(-1)).toMatch(/^No lane was free in/)
    } finally {
      await busy.close()
    }
  })
})
