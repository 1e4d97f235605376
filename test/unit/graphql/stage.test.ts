import { describe, expect, it } from 'vitest'
import type { Json, StageSpec } from '../../../src/domain/batch.js'
import { runId, taskId } from '../../../src/domain/ids.js'
import { noCounts, noTimes, queuedStages, type RunRecord, type StageState } from '../../../src/domain/run.js'
import { distributionFromValues, emptyMoments } from '../../../src/domain/timing.js'
import type { Engine } from '../../../src/engine/engine.js'
import { execute } from '../../support/execute.js'
import { batchSpec } from '../../support/fake-runs.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

const ask = (fields: string) => `query($id: ID!) { run(id: $id) { ${fields} } }`

const FETCH: StageSpec = {
  kind: 'FETCH',
  name: 'pages',
  fetch: { bodyPolicy: 'DISCARD', maxBytes: 100, maxRedirects: 5, headers: [], okStatuses: null },
}
const SQUARE: StageSpec = { kind: 'COMPUTE', name: 'square', function: 'square', chunkSize: null, reduce: null }

const SPEC = batchSpec({ kind: 'PIPELINE', stages: [FETCH, SQUARE], source: { kind: 'list', form: 'urls', count: 10 } })

function stagesOf(changes: Partial<StageState>[]): StageState[] {
  return queuedStages(SPEC)!.map((stage, at) => ({ ...stage, ...changes[at] }))
}

/** The same services, with an engine of which some is the test's own. */
function withEngine(services: TestServices, own: Partial<Engine>): TestServices {
  return { ...services, engine: { ...services.engine, ...own } }
}

function addRun(services: TestServices, changes: Partial<RunRecord> = {}): RunRecord {
  return services.runs.add({ spec: SPEC, stages: stagesOf([]), ...changes })
}

describe('Stage', () => {
  it('tells what it is, and nothing of how it is executed before it is', async () => {
    const services = testServices()
    const { key } = addRun(services)
    const fields = `stages { index kind name effectiveStrategy concurrency lanes decision { strategy }
      progress { total done } timings { wallMs } }`
    const { data, codes } = await execute(services, ask(fields), { id: runId(key) })
    expect(codes).toEqual([])
    const unknown = { effectiveStrategy: null, concurrency: null, lanes: null, decision: null, timings: null }
    const progress = { total: 20, done: 0 }
    expect(data.run).toEqual({
      stages: [
        { index: 0, kind: 'FETCH', name: 'pages', ...unknown, progress },
        { index: 1, kind: 'COMPUTE', name: 'square', ...unknown, progress },
      ],
    })
  })

  it('tells how each is executed, and how AUTO chose', async () => {
    const services = testServices()
    const advice = { probe: null, expectedWallMs: null, expectedWallHighMs: null }
    const stages = stagesOf([
      {
        effectiveStrategy: 'ASYNC',
        lanes: 1,
        concurrency: 64,
        decision: { ...advice, strategy: 'ASYNC', concurrency: 64, lanes: 1, reasons: ['They wait.'] },
      },
      { effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2 },
    ])
    const { key } = addRun(services, { stages, effectiveStrategy: null, lanes: 3, concurrency: 66 })
    const fields = `effectiveStrategy lanes concurrency decision { strategy }
      stages { effectiveStrategy lanes concurrency decision { strategy reasons } }`
    const { data } = await execute(services, ask(fields), { id: runId(key) })
    expect(data.run).toEqual({
      effectiveStrategy: null,
      lanes: 3,
      concurrency: 66,
      decision: null,
      stages: [
        {
          effectiveStrategy: 'ASYNC',
          lanes: 1,
          concurrency: 64,
          decision: { strategy: 'ASYNC', reasons: ['They wait.'] },
        },
        { effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2, decision: null },
      ],
    })
  })

  it('has the progress of its own', async () => {
    const services = testServices()
    const record = addRun(services)
    const view = services.engine.view(record)
    const stages = [6, 2].map((done) => ({ ...view.progress, total: 10, done, succeeded: done }))
    const own = withEngine(services, { run: async () => ({ ...view, stages }) })
    const fields = 'progress { total } stages { progress { total done succeeded } }'
    const { data } = await execute(own, ask(fields), { id: runId(record.key) })
    expect(data.run).toEqual({
      progress: { total: 20 },
      stages: [6, 2].map((done) => ({ progress: { total: 10, done, succeeded: done } })),
    })
  })

  it('has the figures of its own tasks, and reads distributions of its own where they are asked for', async () => {
    const services = testServices()
    const moments = { ...emptyMoments(), count: 4, sum: 80, mean: 20, min: 10, max: 30 }
    const times = { ...noTimes(), service: moments, queueWait: moments, cpuMs: 7, firstStartMs: 100, lastEndMs: 140 }
    const stages = stagesOf([{}, { times, counts: { ...noCounts(10), succeeded: 4 }, concurrency: 4, lanes: 2 }])
    const { key } = addRun(services, { stages })
    const read: unknown[] = []
    const own = withEngine(services, {
      distribution: async (_run, stage, column) => {
        read.push([stage, column])
        return distributionFromValues(Float64Array.of(10, 20, 30))
      },
    })
    const at = `stages { timings { wallMs serviceTotalMs cpuMs throughput meanConcurrency utilization
      service { count mean max } queueWait { count } } }`
    const atHand = await execute<{ run: { stages: unknown[] } }>(own, ask(at), { id: runId(key) })
    expect(atHand.data.run.stages).toEqual([
      { timings: null },
      {
        timings: {
          wallMs: 40,
          serviceTotalMs: 80,
          cpuMs: 7,
          throughput: 100,
          meanConcurrency: 2,
          utilization: 0.5,
          service: { count: 4, mean: 20, max: 30 },
          queueWait: { count: 4 },
        },
      },
    ])
    // The moments are there: nothing is read for them.
    expect(read).toEqual([])
    const fields = 'stages { timings { service { p50 } queueWait { p99 } } }'
    const { data } = await execute(own, ask(fields), { id: runId(key) })
    expect(data.run).toEqual({
      stages: [{ timings: null }, { timings: { service: { p50: 20 }, queueWait: { p99: 30 } } }],
    })
    expect(read.sort()).toEqual([
      [1, 'queueWaitMs'],
      [1, 'serviceMs'],
    ])
  })

  it('is the run itself where there is but one', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    services.runs.end(key)
    const fields = 'stages { effectiveStrategy lanes concurrency progress { done } timings { service { p50 } } }'
    const { data } = await execute(services, ask(fields), { id: runId(key) })
    expect(data.run).toEqual({
      stages: [
        {
          effectiveStrategy: 'THREADS',
          lanes: 2,
          concurrency: 2,
          progress: { done: 1 },
          timings: { service: { p50: 5 } },
        },
      ],
    })
  })
})

describe('tasks of stages', () => {
  /** Inputs by stage, and what was read of them. */
  function withInputs(services: TestServices, inputs: Json[]) {
    const read: [number, number[]][] = []
    const own = withEngine(services, {
      inputs: async (_record, stage, indexes) => {
        read.push([stage, [...indexes]])
        return new Map(indexes.map((index) => [index, inputs[stage] ?? null]))
      },
    })
    return { own, read }
  }

  it('tell what each was given, a read a stage, and no secrets of what is sent or was', async () => {
    const services = testServices()
    const { key } = addRun(services)
    for (const index of [0, 1]) {
      services.runs.end(key, { stage: 0, index })
      services.runs.end(key, { stage: 1, index })
    }
    const { own, read } = withInputs(services, [
      { url: 'https://u:p@a.example/', headers: [{ name: 'authorization', value: 'Bearer x' }] },
      { url: 'https://u:p@a.example/', status: 200, bytes: 3, sha256: 'ab', contentType: null },
    ])
    const { data } = await execute<{ run: { tasks: { nodes: { stage: number; index: number }[] } } }>(
      own,
      ask('tasks { nodes { id stage index input } }'),
      { id: runId(key) },
    )
    const of = (stage: number, at: number) =>
      data.run.tasks.nodes.find((node) => node.stage === stage && node.index === at)
    expect(of(0, 1)).toEqual({
      id: taskId(key, 0, 1),
      stage: 0,
      index: 1,
      input: { url: 'https://***@a.example/', headers: [{ name: 'authorization', value: '***' }] },
    })
    expect(of(1, 0)).toMatchObject({
      id: taskId(key, 1, 0),
      input: { url: 'https://***@a.example/', status: 200 },
    })
    expect(read.sort()).toEqual([
      [0, [0, 1]],
      [1, [0, 1]],
    ])
  })

  it('tell what functions were given as it is', async () => {
    const services = testServices()
    const stages: StageSpec[] = [SQUARE, { ...SQUARE, from: '/url' }]
    const { key } = services.runs.add({ spec: batchSpec({ kind: 'PIPELINE', stages }), stages: stagesOf([]) })
    services.runs.end(key, { stage: 1, index: 0 })
    const { own } = withInputs(services, [null, 'https://u:p@a.example/'])
    const { data } = await execute(own, ask('tasks { nodes { input } }'), { id: runId(key) })
    expect(data.run).toEqual({ tasks: { nodes: [{ input: 'https://u:p@a.example/' }] } })
  })

  it('are found by the id of their stage', async () => {
    const services = testServices()
    const { key } = addRun(services)
    services.runs.end(key, { stage: 1, index: 3, output: '9' })
    const query = 'query($id: ID!) { node(id: $id) { ... on Task { stage index output } } }'
    const found = await execute(services, query, { id: taskId(key, 1, 3) })
    expect(found.data).toEqual({ node: { stage: 1, index: 3, output: 9 } })
    expect((await execute(services, query, { id: taskId(key, 0, 3) })).data).toEqual({ node: null })
  })
})

describe('launchPipeline', () => {
  const LAUNCH = `mutation($input: LaunchPipelineInput!) {
    launchPipeline(input: $input) { run { id kind } deduplicated userErrors { code } } }`

  it('hands the input to the engine with its defaults, and answers with the run', async () => {
    const services = testServices()
    const run = services.engine.view(addRun(services))
    services.runs.launchOutcome = { run, deduplicated: false, userErrors: [] }
    const stages = [{ fetch: { fetch: {} } }, { compute: { function: 'square', inputFrom: '/a', strategy: 'THREADS' } }]
    const { data } = await execute(services, LAUNCH, { input: { source: { urls: ['http://a.example/'] }, stages } })
    expect(data.launchPipeline).toEqual({
      run: { id: runId(run.record.key), kind: 'PIPELINE' },
      deduplicated: false,
      userErrors: [],
    })
    expect(services.runs.launches).toEqual([
      {
        space: '',
        input: {
          source: { urls: ['http://a.example/'] },
          stages: [
            { fetch: { fetch: { bodyPolicy: 'DISCARD', maxBytes: 10485760, maxRedirects: 5, dedupe: false } } },
            { compute: { function: 'square', inputFrom: '/a', strategy: 'THREADS' } },
          ],
        },
      },
    ])
  })

  it.each([
    [{ source: {}, stages: [] }],
    [{ source: { urls: ['a'], range: { from: 0, to: 1 } }, stages: [] }],
    [{ source: { urls: ['a'] } }],
    [{ source: { urls: ['a'] }, stages: [null] }],
    [{ source: { urls: ['a'] }, stages: [{}] }],
    [{ source: { urls: ['a'] }, stages: [{ fetch: {}, compute: { function: 'square' } }] }],
    [{ source: { urls: ['a'] }, stages: [{ compute: {} }] }],
    [{ source: { urls: ['a'] }, stages: [{ fetch: { concurrency: 'x' } }] }],
  ])('refuses %j before the engine sees it', async (input) => {
    const services = testServices()
    expect((await execute(services, LAUNCH, { input })).messages).not.toEqual([])
    expect(services.runs.launches).toEqual([])
  })
})
