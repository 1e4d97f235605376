import { describe, expect, it } from 'vitest'
import type { LastTask } from '../../../src/domain/diagnostic.js'
import type { HostTally } from '../../../src/domain/refusals.js'
import type { RunRecord, RunTimes } from '../../../src/domain/run.js'
import { emptyMoments } from '../../../src/domain/timing.js'
import { Diagnoses } from '../../../src/engine/diagnoses.js'
import { batchSpec, COMPUTE, FETCH, runRecord } from '../../support/engine-parts.js'
import { equalTimes } from '../../support/stage-figures.js'

type Read = [runId: number, stage: number, limit: number]

/** A machine with two cores, over a store whose runs all ended with these tasks. */
function setup(lastTasks: LastTask[] = []) {
  const reads: Read[] = []
  let fails = 0
  const diagnoses = new Diagnoses({
    store: {
      lastTasks: async (...read) => {
        reads.push(read)
        if (fails-- > 0) throw new Error('the disk cannot be read')
        return lastTasks
      },
    },
    cores: 2,
  })
  const failNext = () => {
    fails = 1
  }
  return { diagnoses, reads, failNext }
}

const codes = async (diagnoses: Diagnoses, record: RunRecord) => (await diagnoses.of(record)).map(({ code }) => code)

/** 20 tasks of 100 ms of CPU on one event loop, one after the other. */
function held(changes: Partial<RunRecord> = {}, times: Partial<RunTimes> = {}): RunRecord {
  return runRecord({
    spec: batchSpec({ strategy: 'ASYNC' }),
    status: 'SUCCEEDED',
    effectiveStrategy: 'ASYNC',
    lanes: 1,
    concurrency: 16,
    startedAt: new Date(0),
    times: {
      service: equalTimes(20, 100),
      queueWait: emptyMoments(),
      cpuMs: 2_000,
      load: { busyMs: 2_000, coreWaitMs: 0 },
      firstStartMs: 5,
      lastEndMs: 2_005,
      ...times,
    },
    ...changes,
  })
}

/** Two lanes of which one went on for a second: its last task was slow. */
const straggling = () => {
  const service = { ...equalTimes(40, 25), min: 10, max: 1_000 }
  const spec = batchSpec({ strategy: 'THREADS' })
  return held(
    { spec, effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2 },
    { service: { ...service, sum: 2_000 }, cpuMs: 2_000, firstStartMs: 0, lastEndMs: 1_500 },
  )
}
const LAST = Array.from({ length: 39 }, (_, index) => ({ index, endedMs: 10 * index, serviceMs: 20, cpuMs: 20 }))
const STRAGGLER = { index: 39, endedMs: 1_500, serviceMs: 1_000, cpuMs: 1_000 }

describe('Diagnoses', () => {
  it('asks the rules with what the run’s record has', async () => {
    const { diagnoses, reads } = setup()
    const [diagnostic] = await diagnoses.of(held())
    expect(diagnostic).toMatchObject({
      code: 'CPU_BOUND_ON_EVENT_LOOP',
      evidence: { wallMs: 2_000, tasks: 20, cores: 2, concurrency: 16, savedMs: 1_000 },
    })
    expect(reads).toEqual([])
  })

  it('has nothing to say of a run that has not started', async () => {
    const { diagnoses } = setup()
    expect(await diagnoses.of(runRecord())).toEqual([])
    expect(
      await diagnoses.of(held({ status: 'QUEUED', effectiveStrategy: null, lanes: null, concurrency: null })),
    ).toEqual([])
  })

  it('goes by the CPU time alone where lanes did not measure more', async () => {
    const { diagnoses } = setup()
    const { load: _, ...times } = held().times
    expect(await codes(diagnoses, { ...held(), times })).toEqual(['CPU_BOUND_ON_EVENT_LOOP'])
  })

  it('reads the last tasks where one may have kept the run waiting', async () => {
    const { diagnoses, reads } = setup([...LAST, STRAGGLER])
    const record = straggling()
    expect(await codes(diagnoses, record)).toEqual(['STRAGGLERS'])
    expect(reads).toEqual([[record.id, 0, 1_004]])
    expect(await codes(setup(LAST).diagnoses, record)).toEqual([])
  })

  it('reads only the tasks of the stage that ends last: for what another one waits, the run does not', async () => {
    const { times, ...rest } = straggling()
    const { effectiveStrategy, lanes, concurrency, decision, counts, finalThroughput } = rest
    const spec = batchSpec({ kind: 'PIPELINE', strategy: 'THREADS', stages: [COMPUTE, { ...COMPUTE, name: 'next' }] })
    const stageUntil = (lastEndMs: number) => {
      return {
        effectiveStrategy,
        lanes,
        concurrency,
        decision,
        counts,
        finalThroughput,
        times: { ...times, lastEndMs },
      }
    }
    const readStages = async (...endsMs: number[]) => {
      const { diagnoses, reads } = setup([...LAST, STRAGGLER])
      const found = await diagnoses.of({ ...rest, times, spec, stages: endsMs.map(stageUntil) })
      return { stages: reads.map(([, stage]) => stage), found: found.map(({ message }) => message.split(':')[0]) }
    }
    expect((await readStages(1_500, 4_000)).stages).toEqual([1])
    expect(await readStages(1_400, 1_500)).toEqual({ stages: [1], found: ['Stage "next"'] })
    expect(await readStages(1_500, 1_400)).toEqual({ stages: [0], found: ['Stage "any"'] })
  })

  it('reads no more tasks than can be read in no time', async () => {
    const { diagnoses, reads } = setup()
    const spec = batchSpec({ stages: [FETCH] })
    await diagnoses.of({ ...straggling(), spec, concurrency: 100_000 })
    expect(reads.map(([, , limit]) => limit)).toEqual([5_000])
  })

  it('finds what an ended run has once, and what one under way has anew', async () => {
    const { diagnoses, reads } = setup([...LAST, STRAGGLER])
    const record = straggling()
    await diagnoses.of(record)
    expect(await codes(diagnoses, { ...record })).toEqual(['STRAGGLERS'])
    expect(reads).toHaveLength(1)
    diagnoses.forget(record.id)
    await diagnoses.of(record)
    expect(reads).toHaveLength(2)
    const running = held({ status: 'RUNNING' })
    expect(await codes(diagnoses, running)).toEqual(['CPU_BOUND_ON_EVENT_LOOP'])
    expect(await codes(diagnoses, { ...running, times: { ...running.times, cpuMs: 100 } })).toEqual([])
  })

  it('reads again what could not be read', async () => {
    const { diagnoses, reads, failNext } = setup([...LAST, STRAGGLER])
    const record = straggling()
    failNext()
    await expect(diagnoses.of(record)).rejects.toThrow('the disk cannot be read')
    expect(await codes(diagnoses, record)).toEqual(['STRAGGLERS'])
    expect(reads).toHaveLength(2)
  })

  it('forgets the runs that were not asked for the longest', async () => {
    const { diagnoses, reads } = setup()
    const records = Array.from({ length: 1_001 }, straggling)
    for (const record of records) await diagnoses.of(record)
    await diagnoses.of(records[1]!)
    expect(reads).toHaveLength(1_001)
    await diagnoses.of(records[0]!)
    expect(reads).toHaveLength(1_002)
  })

  it('takes no stage for held up by overhead that may have waited for another one', async () => {
    const { diagnoses } = setup()
    const times: RunTimes = {
      ...held().times,
      service: equalTimes(100_000, 0.002),
      cpuMs: 250,
      load: { busyMs: 300, coreWaitMs: 0 },
      lastEndMs: 10_005,
    }
    const { effectiveStrategy, lanes, concurrency, decision, counts, finalThroughput } = held()
    const stage = { effectiveStrategy, lanes, concurrency, decision, counts, times, finalThroughput }
    const slow = { ...stage, times: { ...times, service: equalTimes(100_000, 0.2), cpuMs: 20_000 } }
    const spec = batchSpec({ kind: 'PIPELINE', strategy: 'ASYNC', stages: [COMPUTE, { ...COMPUTE, name: 'slow' }] })
    expect(await codes(diagnoses, held({}, times))).toEqual(['OVERHEAD_DOMINATES'])
    expect(await codes(diagnoses, held({ spec, stages: [stage, slow] }))).not.toContain('OVERHEAD_DOMINATES')
  })

  it('gives each stage its own hosts, and its name where there are several', async () => {
    const { diagnoses } = setup()
    const tally = (stage: number, host: string): HostTally => {
      return { stage, host, attempts: 10, refused: { HTTP_429: 5 }, maxRetryAfterMs: null }
    }
    const refusals = [tally(0, 'a'), tally(1, 'b')]
    const spec = batchSpec({ kind: 'PIPELINE', stages: [FETCH, { ...COMPUTE, name: 'parse' }] })
    const { effectiveStrategy, lanes, concurrency, decision, counts, times, finalThroughput } = held(
      {},
      { service: equalTimes(1, 1) },
    )
    const stage = { effectiveStrategy, lanes, concurrency, decision, counts, times, finalThroughput }
    const found = await diagnoses.of(held({ spec, refusals, status: 'RUNNING', stages: [stage, stage] }))
    expect(found.map(({ message, evidence }) => [message.split(' refused')[0], evidence.host])).toEqual([
      ['Stage "fetch": a', 'a'],
      ['Stage "parse": b', 'b'],
    ])
    const alike = batchSpec({ kind: 'PIPELINE', stages: [FETCH, FETCH] })
    const numbered = await diagnoses.of(held({ spec: alike, refusals, status: 'RUNNING', stages: [stage, stage] }))
    expect(numbered.map(({ message }) => message.split(' refused')[0])).toEqual([
      'Stage 1 ("fetch"): a',
      'Stage 2 ("fetch"): b',
    ])
    expect(
      await codes(diagnoses, held({ spec: batchSpec({ stages: [FETCH] }), refusals, effectiveStrategy: 'SEQUENTIAL' })),
    ).toEqual(['ORIGIN_THROTTLING'])
  })
})
