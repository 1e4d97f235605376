import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createReducer } from '../../src/domain/reduction.js'
import type { LaneKind } from '../../src/domain/strategy.js'
import type { Lane, LanePool } from '../../src/lanes/lane.js'
import type { JobSpec } from '../../src/lanes/protocol.js'
import {
  computeJob,
  eventually,
  FUNCTIONS_DIR,
  Gates,
  grantOf,
  LANE_ENTRY,
  Listener,
  Outcome,
  testPool,
} from '../support/lanes.js'

const echo = (value: unknown) => ({ do: 'echo', value })

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a lane of kind %s', (kind) => {
  let pool: LanePool
  const gates = new Gates()

  beforeAll(async () => {
    process.env.REDIS_URL = 'redis://secret'
    process.env.HEDDLE_TOKENS = 'secret:admin'
    pool = testPool({ env: { TZ: 'UTC' } })
    await gates.listen()
  })

  afterAll(async () => {
    delete process.env.REDIS_URL
    delete process.env.HEDDLE_TOKENS
    await pool.close()
    await gates.close()
  })

  let held: Lane[] = []
  afterEach(() => {
    for (const lane of held) {
      try {
        pool.release(lane)
      } catch {
        // A test that failed half-way is not to fail the next one too.
        lane.kill()
      }
    }
    held = []
  })

  async function open(job: JobSpec = computeJob()): Promise<{ lane: Lane; listener: Listener; job: JobSpec }> {
    const lane = await pool.acquire(kind)
    held.push(lane)
    const listener = new Listener()
    lane.open(job, listener)
    return { lane, listener, job }
  }

  /** Runs these inputs as one grant to its end. */
  async function run(inputs: unknown[], options: Parameters<typeof computeJob>[0] = {}) {
    const { lane, listener } = await open(computeJob(options))
    lane.grant(grantOf(inputs))
    await listener.untilRows(inputs.length)
    return { lane, listener, rows: listener.rows }
  }

  describe('results', () => {
    it('come complete, in order and right, for any number of items in grants of any size', async () => {
      const grants = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 8 })
      await fc.assert(
        fc.asyncProperty(grants, fc.integer({ min: 0, max: 1_000 }), async (sizes, from) => {
          const count = Math.min(
            10_000,
            sizes.reduce((sum, size) => sum + size, 0),
          )
          const source = { kind: 'range' as const, from, to: from + count, step: 1, count }
          const { lane, listener } = await open(computeJob({ function: 'sumOfSquares', source }))
          let first = 0
          for (const size of sizes) {
            const granted = Math.min(size, count - first)
            if (granted > 0) lane.grant({ first, count: granted, indexes: null, inputs: null, attempts: null })
            first += granted
          }
          const rows = await listener.untilRows(count)
          pool.release(lane)
          expect(rows.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_, index) => index))
          for (const { index, outcome, output, attempt, serviceMs } of rows) {
            const n = from + index
            expect(Number(output)).toBe(((n - 1) * n * (2 * n - 1)) / 6 || 0)
            expect({ outcome, attempt }).toEqual({ outcome: Outcome.SUCCEEDED, attempt: 1 })
            expect(serviceMs).toBeGreaterThanOrEqual(0)
          }
        }),
        { numRuns: 12 },
      )
    })

    it('carry the indexes and the attempts that were granted, and functions are told of both', async () => {
      const { lane, listener } = await open()
      const inputs = [{ do: 'context' }, { do: 'context' }, { do: 'context' }]
      lane.grant({ first: 0, count: 3, indexes: [7, 3, 9_999_999], inputs, attempts: [1, 3, 255] })
      const rows = await listener.untilRows(3)
      expect(rows.map(({ index, attempt }) => [index, attempt])).toEqual([
        [7, 1],
        [3, 3],
        [9_999_999, 255],
      ])
      expect(rows.map(({ output }) => JSON.parse(output!))).toEqual([
        { index: 7, attempt: 1, aborted: false },
        { index: 3, attempt: 3, aborted: false },
        { index: 9_999_999, attempt: 255, aborted: false },
      ])
    })

    it('are stamped with the clock of the server, each start after the end before', async () => {
      const before = performance.timeOrigin + performance.now()
      const { rows } = await run([1, 2, 3, 4].map(echo))
      const after = performance.timeOrigin + performance.now()
      let last = before
      for (const { startedAt, serviceMs } of rows) {
        // Epoch milliseconds are doubles: a quarter of a microsecond is their last digit.
        expect(startedAt).toBeGreaterThanOrEqual(last - 0.001)
        last = startedAt + serviceMs
      }
      expect(last).toBeLessThanOrEqual(after + 0.001)
    })

    it('tell the CPU time of the lane, and of tasks that are long enough to have one', async () => {
      const { listener, rows } = await run([
        { do: 'burn', ms: 5 },
        { do: 'burn', ms: 5 },
      ])
      expect(rows[0]!.cpuMs).toBeGreaterThan(0)
      expect(listener.blocks.reduce((sum, { laneCpuMs }) => sum + laneCpuMs, 0)).toBeGreaterThan(rows[0]!.cpuMs)
    })

    it('come before their grant has ended, whatever comes after them', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([...Array.from({ length: 20 }, (_, at) => echo(at)), { do: 'spin' }]))
      const rows = await listener.untilRows(20)
      expect(rows.map(({ output }) => Number(output))).toEqual(Array.from({ length: 20 }, (_, at) => at))
      lane.kill()
      await listener.untilDeath()
      expect(rows).toHaveLength(20)
    })

    it('of asynchronous tasks come before a task that keeps the event loop to itself', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      lane.grant(grantOf([{ do: 'resolve', value: 'first' }, gates.input(`${kind}-held`), { do: 'spin' }]))
      const rows = await listener.untilRows(1)
      expect(rows.map(({ output }) => output)).toEqual(['"first"'])
      await eventually(() => lane.inService().some(({ index }) => index === 2))
      lane.kill()
      const { inService } = await listener.untilDeath()
      expect(new Set(inService.map(({ index }) => index))).toEqual(new Set([1, 2]))
    })
  })

  describe('outputs', () => {
    it('are exact JSON', async () => {
      const { rows } = await run([
        { do: 'bigint', digits: '9007199254740991' },
        { do: 'bigint', digits: '9007199254740993' },
        { do: 'bigint', digits: '333333283333335000000' },
        echo({ a: [1, null, 'ü'], b: -0.1 }),
        echo(undefined),
        { do: 'resolve', value: 7 },
        { do: 'thenable', value: 8 },
      ])
      expect(rows.map(({ output }) => output)).toEqual([
        '9007199254740991',
        '"9007199254740993"',
        '"333333283333335000000"',
        '{"a":[1,null,"ü"],"b":-0.1}',
        'null',
        '7',
        '8',
      ])
    })

    it('fail their task where they have no JSON or too much of it', async () => {
      const inputs = [{ do: 'nan' }, { do: 'cycle' }, { do: 'big', chars: 98 }, { do: 'big', chars: 99 }]
      const { rows } = await run([...inputs, { do: 'big', chars: 49, char: 'ü' }], { maxOutputBytes: 100 })
      expect(rows.map(({ error }) => error?.code ?? null)).toEqual([
        'FUNCTION_ERROR',
        'FUNCTION_ERROR',
        null,
        'OUTPUT_TOO_LARGE',
        null,
      ])
      expect(rows.every(({ error }) => !error?.retryable)).toBe(true)
    })

    it('are folded by block, exactly', async () => {
      const work = { kind: 'COMPUTE' as const, function: 'act', reduce: 'SUM' as const }
      const { lane, listener } = await open(computeJob({ work }))
      lane.grant(grantOf([echo(0.1), { do: 'bigint', digits: '9007199254740993' }, echo('no number')]))
      lane.grant(grantOf([echo(0.2), { do: 'fail', message: 'out' }, echo('2')], 3))
      const rows = await listener.untilRows(6)
      expect(rows.map(({ outcome }) => outcome)).toEqual([0, 0, 1, 0, 1, 0])
      expect(rows[2]!.error).toMatchObject({ code: 'FUNCTION_ERROR', retryable: false })
      const { merge, empty, result } = createReducer('SUM')
      const whole = listener.blocks.reduce((state, { reduction }) => merge(state, reduction!), empty())
      expect(whole).toMatchObject({ count: 4 })
      expect(result(whole)).toBe(9007199254740996)
      expect(listener.blocks.length).toBeGreaterThan(1)
    })
  })

  describe('failures', () => {
    it('are the task’s own: the others go on', async () => {
      const { rows } = await run([
        { do: 'fail', message: 'bad', retryable: true },
        { do: 'fail', message: 'worse' },
        { do: 'reject', message: 'rejected' },
        { do: 'raise', value: 'a string' },
        { do: 'raise', value: null },
        echo('still here'),
      ])
      expect(rows.map(({ error }) => error && [error.code, error.message, error.retryable])).toEqual([
        ['FUNCTION_ERROR', 'RangeError: bad', true],
        ['FUNCTION_ERROR', 'RangeError: worse', false],
        ['FUNCTION_ERROR', 'rejected', false],
        ['FUNCTION_ERROR', 'a string', false],
        ['FUNCTION_ERROR', 'null', false],
        null,
      ])
      expect(rows.at(-1)!.output).toBe('"still here"')
    })

    it('of inputs that do not fit the schema say where', async () => {
      const { rows } = await run([{ do: 'dance' }, 5, echo(1)])
      expect(rows.map(({ outcome }) => outcome)).toEqual([Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED])
      expect(rows[0]!.error).toMatchObject({ code: 'INVALID_INPUT', retryable: false })
      expect(rows[0]!.error!.message).toMatch(/^input\.do must be one of "echo"/)
      expect(rows[1]!.error!.message).toMatch(/^input must be object/)
    })
  })

  describe('several slots', () => {
    it('keep that many asynchronous tasks in service, and report each as it ends', async () => {
      const { lane, listener } = await open(computeJob({ slots: 3 }))
      const keys = ['a', 'b', 'c', 'd'].map((key) => `${kind}-slots-${key}`)
      lane.grant(grantOf(keys.map((key) => gates.input(key))))
      await gates.reached(...keys.slice(0, 3))
      expect(lane.inService().map(({ index }) => index)).toEqual([0, 1, 2])
      gates.open(keys[1]!)
      await listener.untilRows(1)
      await gates.reached(keys[3]!)
      expect(
        lane
          .inService()
          .map(({ index }) => index)
          .sort(),
      ).toEqual([0, 2, 3])
      for (const [ended, key] of [keys[3]!, keys[0]!, keys[2]!].entries()) {
        gates.open(key)
        await listener.untilRows(ended + 2)
      }
      expect(listener.rows.map(({ index }) => index)).toEqual([1, 3, 0, 2])
      expect(lane.inService()).toEqual([])
    })

    it('can be more than any job before had', async () => {
      const { lane, listener } = await open(computeJob({ slots: 200 }))
      const keys = Array.from({ length: 200 }, (_, at) => `${kind}-many-${at}`)
      lane.grant(grantOf(keys.map((key) => gates.input(key))))
      await gates.reached(...keys)
      expect(lane.inService()).toHaveLength(200)
      for (const key of keys) gates.open(key)
      await listener.untilRows(200)
    })
  })

  describe('the progress of a task', () => {
    const progressOf = (lane: Lane) => lane.inService().map(({ index, progress }) => [index, progress])

    it('is what its function says of it, while it keeps the event loop to itself', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([echo(1), { do: 'spin', progress: 0.375 }]))
      await eventually(() => lane.inService().some(({ progress }) => progress !== null))
      expect(progressOf(lane)).toEqual([[1, 0.375]])
      lane.kill()
      const { inService } = await listener.untilDeath()
      expect(inService.map(({ index, progress }) => [index, progress])).toEqual([[1, 0.375]])
    })

    it('is each one’s own, and of the next in its place nothing', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const keys = ['a', 'b', 'c'].map((key) => `${kind}-progress-${key}`)
      const [a = '', b = '', c = ''] = keys
      lane.grant(grantOf([gates.input(a, { progress: 0.25 }), gates.input(b, { progress: 7 }), gates.input(c)]))
      await gates.reached(a, b)
      expect(progressOf(lane)).toEqual([
        [0, 0.25],
        [1, 1],
      ])
      gates.open(a)
      await gates.reached(c)
      expect(progressOf(lane)).toEqual([
        [2, null],
        [1, 1],
      ])
      gates.open(b)
      gates.open(c)
      await listener.untilRows(3)
      expect(lane.inService()).toEqual([])
    })

    it('is told by the functions that are built in', async () => {
      const { lane, listener } = await open(computeJob({ function: 'monteCarloPi' }))
      lane.grant(grantOf([{ samples: 10_000_000_000 }]))
      await eventually(() => (lane.inService()[0]?.progress ?? 0) > 0)
      lane.kill()
      const { inService } = await listener.untilDeath()
      expect(inService[0]?.progress).toBeLessThan(1)
    })
  })

  describe('time limits', () => {
    it('end an asynchronous task at once, and what it comes to later is nobody’s', async () => {
      const { lane, listener } = await open(computeJob({ timeoutMs: 100 }))
      const keys = { heedful: `${kind}-heedful`, stubborn: `${kind}-stubborn` }
      lane.grant(grantOf([gates.input(keys.heedful), gates.input(keys.stubborn, { stubborn: true }), echo('next')]))
      const rows = await listener.untilRows(3)
      expect(rows.map(({ error }) => error)).toEqual([
        { code: 'TIMEOUT', message: 'the task took more than 100 ms', retryable: true },
        { code: 'TIMEOUT', message: 'the task took more than 100 ms', retryable: true },
        null,
      ])
      await gates.left(keys.heedful)
      pool.release(lane)
      // A lane in which something goes on is not for others.
      const other = await open()
      expect(other.lane).not.toBe(lane)
      await gates.reached(keys.stubborn)
      gates.open(keys.stubborn)
      await gates.left(keys.stubborn)
      other.lane.grant(grantOf([echo(1)]))
      await other.listener.untilRows(1)
      expect(listener.rows).toHaveLength(3)
    })

    it('hold for what kept the event loop to itself and came back late', async () => {
      const { rows } = await run([{ do: 'burn', ms: 150 }, echo(1)], { timeoutMs: 100 })
      expect(rows.map(({ error }) => error?.code)).toEqual(['TIMEOUT', undefined])
    })
  })

  it('gives back what has not started when it is asked to, and goes on with the rest', async () => {
    const { lane, listener } = await open(computeJob({ slots: 2 }))
    const keys = ['x', 'y'].map((key) => `${kind}-recall-${key}`)
    lane.grant(grantOf([...keys.map((key) => gates.input(key)), echo('never'), echo('never')]))
    await gates.reached(keys[0]!, keys[1]!)
    lane.recall()
    const rows = await listener.untilRows(2)
    expect(rows.map(({ index, outcome }) => [index, outcome])).toEqual([
      [2, Outcome.NOT_STARTED],
      [3, Outcome.NOT_STARTED],
    ])
    expect(lane.inService().map(({ index }) => index)).toEqual([0, 1])
    lane.cancel()
    expect((await listener.untilRows(4)).slice(2).map(({ outcome }) => outcome)).toEqual([
      Outcome.CANCELLED,
      Outcome.CANCELLED,
    ])
  })

  describe('cancelling', () => {
    it('aborts what is in service and gives the rest back', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const keys = ['x', 'y', 'z'].map((key) => `${kind}-cancel-${key}`)
      lane.grant(grantOf([...keys.map((key) => gates.input(key)), echo('never')]))
      await gates.reached(keys[0]!, keys[1]!)
      lane.cancel()
      const rows = await listener.untilRows(4)
      expect(rows.map(({ index, outcome }) => [index, outcome])).toEqual([
        [0, Outcome.CANCELLED],
        [1, Outcome.CANCELLED],
        [2, Outcome.NOT_STARTED],
        [3, Outcome.NOT_STARTED],
      ])
      expect(rows[2]).toMatchObject({ startedAt: 0, serviceMs: 0, output: null, error: null })
      expect(lane.inService()).toEqual([])
      await gates.left(keys[0]!)
      await gates.left(keys[1]!)
      lane.grant(grantOf([echo('late')], 4))
      await listener.untilRows(5)
      expect(listener.rows[4]).toMatchObject({ index: 4, outcome: Outcome.NOT_STARTED })
    })

    it('is heard between tasks of a lane that is never idle', async () => {
      const { lane, listener } = await open(
        computeJob({
          function: 'sumOfSquares',
          source: { kind: 'range', from: 200_000, to: 200_001, step: 0, count: 1e6 },
        }),
      )
      lane.grant({ first: 0, count: 100_000, indexes: null, inputs: null, attempts: null })
      await listener.untilRows(1)
      lane.cancel()
      const rows = await listener.untilRows(100_000)
      expect(rows.map(({ index }) => index)).toEqual(Array.from({ length: 100_000 }, (_, index) => index))
      const started = rows.filter(({ outcome }) => outcome === Outcome.SUCCEEDED).length
      expect(started).toBeGreaterThan(0)
      expect(rows.filter(({ outcome }) => outcome === Outcome.NOT_STARTED)).toHaveLength(100_000 - started)
    })

    it('leaves a lane that the next job can have', async () => {
      const { lane, listener } = await open()
      const key = `${kind}-reuse`
      lane.grant(grantOf([gates.input(key)]))
      await gates.reached(key)
      lane.cancel()
      await listener.untilRows(1)
      await gates.left(key)
      const next = new Listener()
      lane.open(computeJob(), next)
      lane.grant(grantOf([echo('next')]))
      expect((await next.untilRows(1))[0]).toMatchObject({ output: '"next"', outcome: Outcome.SUCCEEDED })
      expect(listener.rows).toHaveLength(1)
    })
  })

  describe('death', () => {
    it('by kill comes at once to a task that spins, after the results before it', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([echo('before'), { do: 'spin' }, echo('never')], 40))
      await listener.untilRows(1)
      await eventually(() => lane.inService()[0]?.index === 41)
      const [spinner] = lane.inService()
      lane.kill()
      lane.kill()
      const { error, inService } = await listener.untilDeath()
      expect(error).toMatchObject({ code: 'LANE_DIED', retryable: true })
      expect(inService).toEqual([spinner])
      expect(spinner!.startedAt).toBeGreaterThanOrEqual(listener.rows[0]!.startedAt)
      expect(listener.deaths).toHaveLength(1)
      expect(listener.deaths[0]!.rowsBefore).toBe(1)
      expect(lane.inService()).toEqual([spinner])
    })

    it('by exit names the code, and loses no result', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([echo(1), echo(2), echo(3), { do: 'exit', code: 3 }, echo('never')]))
      const { error, inService } = await listener.untilDeath()
      expect(error).toEqual({ code: 'LANE_DIED', message: `${lane.name} exited with code 3`, retryable: true })
      expect(inService.map(({ index, attempt }) => [index, attempt])).toEqual([[3, 1]])
      expect(listener.rows.map(({ output }) => output)).toEqual(['1', '2', '3'])
    })

    it('by memory is told apart', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([echo(1), { do: 'hog' }]))
      const { error, inService } = await listener.untilDeath()
      expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', retryable: false })
      expect(error.message).toContain('64 MB')
      expect(inService.map(({ index }) => index)).toEqual([1])
    })

    it.each([
      ['thrown', { do: 'throwLater', message: 'too late' }, 'TypeError: too late'],
      ['rejected', { do: 'rejectLater', message: 'nobody cares' }, 'nobody cares'],
    ])('by an error %s after its task had ended names it, and loses no result', async (_, input, message) => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const key = `${kind}-${input.do}`
      lane.grant(grantOf([gates.input(key), echo(1)]))
      await gates.reached(key)
      lane.grant(grantOf([input], 2))
      const { error, inService } = await listener.untilDeath()
      expect(error.code).toBe('LANE_DIED')
      expect(error.message).toContain(message)
      expect(inService.map(({ index }) => index)).toEqual([0])
      expect(listener.rows.map(({ output }) => output)).toEqual(['1', '"early"'])
    })

    it('is the end of what keeps the lane busy and is no task', async () => {
      const prober = testPool({ probeMs: 300 })
      const lane = await prober.acquire(kind)
      const listener = new Listener()
      lane.open(computeJob(), listener)
      lane.grant(grantOf([{ do: 'spinLater' }]))
      const { error, inService } = await listener.untilDeath()
      expect(error).toMatchObject({ code: 'LANE_DIED', message: `${lane.name} stopped answering` })
      expect(inService).toEqual([])
      await prober.close()
    })

    it('makes room for another lane', async () => {
      const { lane, listener } = await open()
      lane.grant(grantOf([{ do: 'exit', code: 0 }]))
      await listener.untilDeath()
      pool.release(lane)
      expect(pool.statuses().map(({ lane: name }) => name)).not.toContain(lane.name)
      const { rows } = await run([echo('again')])
      expect(rows[0]!.output).toBe('"again"')
    })
  })

  describe('the pool', () => {
    it('gives a warm lane to the next one who asks', async () => {
      const first = await run([{ do: 'pid' }, echo(1)])
      const [status] = pool.statuses().filter(({ lane }) => lane === first.lane.name)
      expect(status).toMatchObject({ kind, busy: true })
      pool.release(first.lane)
      expect(pool.statuses().find(({ lane }) => lane === first.lane.name)!.busy).toBe(false)
      // Of a thread nobody can tell it, of a process Linux can.
      if (kind === 'PROCESS' && process.platform === 'linux') expect(status!.memoryMb).toBeGreaterThan(10)
      else expect(status!.memoryMb).toBeNull()
      const second = await run([{ do: 'pid' }])
      expect(second.lane).toBe(first.lane)
      expect(second.rows[0]!.output).toBe(first.rows[0]!.output)
      const after = pool.statuses().find(({ lane }) => lane === first.lane.name)!
      expect(after.tasksDone).toBe(status!.tasksDone + 1)
    })

    it('takes no lane back that still owes results', async () => {
      const { lane, listener } = await open()
      const key = `${kind}-owing`
      lane.grant(grantOf([gates.input(key)]))
      expect(() => pool.release(lane)).toThrow('still owes 1 result')
      expect(() => lane.open(computeJob(), listener)).toThrow('still owes 1 result')
      await gates.reached(key)
      gates.open(key)
      await listener.untilRows(1)
    })

    it('has no more lanes than it may, named by the lowest free numbers', async () => {
      const small = testPool({ maxLanes: 2 })
      const word = kind.toLowerCase()
      const [one, two] = await Promise.all([small.acquire(kind), small.acquire(kind)])
      expect([one.name, two.name]).toEqual([`${word}-1`, `${word}-2`])
      await expect(small.acquire(kind)).rejects.toThrow('all 2 lanes are in use')
      const listener = new Listener()
      one.open(computeJob(), listener)
      one.kill()
      await listener.untilDeath()
      expect((await small.acquire(kind)).name).toBe(`${word}-1`)
      await small.close()
    })

    it('lets idle lanes end but for some', async () => {
      const brief = testPool({ keepWarm: 1, idleMs: 5 })
      const lanes = await Promise.all([brief.acquire(kind), brief.acquire(kind), brief.acquire(kind)])
      for (const lane of lanes) brief.release(lane)
      await eventually(() => brief.statuses().length === 1)
      const [left] = brief.statuses()
      expect((await brief.acquire(kind)).name).toBe(left!.lane)
      await brief.close()
    })

    it('tells why a lane cannot start', async () => {
      const broken = testPool({ entry: new URL('./nowhere.js', LANE_ENTRY) })
      await expect(broken.acquire(kind)).rejects.toThrow(/-1 could not start: .*nowhere\.js/)
      expect(broken.statuses()).toEqual([])
      await broken.close()
      const functionsDir = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
      await writeFile(join(functionsDir, 'leaver.mjs'), 'process.exit(4)')
      const left = testPool({ functionsDir })
      await expect(left.acquire(kind)).rejects.toThrow(/-1 (ended while it started|could not start)/)
      await left.close()
      await rm(functionsDir, { recursive: true })
    })

    it('tells the lane of a death on the way', async () => {
      const { lane } = await open()
      const listener = new Listener()
      const first = new Listener()
      lane.open(computeJob(), first)
      lane.kill()
      await first.untilDeath()
      lane.open(computeJob(), listener)
      expect(await listener.untilDeath()).toEqual(await first.untilDeath())
    })

    it('ends everything when it closes, whatever it does', async () => {
      const closing = testPool()
      const lanes = await Promise.all([closing.acquire(kind), closing.acquire(kind), closing.acquire(kind)])
      const listeners = lanes.map((lane) => {
        const listener = new Listener()
        lane.open(computeJob(), listener)
        lane.grant(grantOf([{ do: 'pid' }]))
        return listener
      })
      await Promise.all(listeners.map((listener) => listener.untilRows(1)))
      const pids = listeners.map(({ rows }) => Number(rows[0]!.output)).filter((pid) => pid !== process.pid)
      expect(pids).toHaveLength(kind === 'PROCESS' ? 3 : 0)
      lanes[0]!.grant(grantOf([{ do: 'spin' }], 1))
      lanes[1]!.grant(grantOf([gates.input(`${kind}-closing`)], 1))
      closing.release(lanes[2]!)
      await gates.reached(`${kind}-closing`)
      await eventually(() => lanes[0]!.inService().length === 1)
      const starting = closing.acquire(kind === 'THREAD' ? 'PROCESS' : 'THREAD')
      const refused = expect(starting).rejects.toThrow()
      await Promise.all([closing.close(), closing.close()])
      await refused
      expect(pids.filter(isAlive)).toEqual([])
      expect(listeners.map(({ deaths }) => deaths.length)).toEqual([1, 1, 0])
      expect(closing.statuses()).toEqual([])
      await expect(closing.acquire(kind)).rejects.toThrow('closed')
    })

    it('keeps the server’s secrets to itself', async () => {
      const { rows } = await run([{ do: 'environment' }])
      const environment = JSON.parse(rows[0]!.output!) as Record<string, string>
      expect(environment).toMatchObject({ TZ: 'UTC' })
      expect(JSON.stringify(environment)).not.toContain('secret')
      expect(Object.keys(environment).filter((name) => !['TZ', 'TINYPOOL_WORKER_ID'].includes(name))).toEqual([])
    })
  })

  describe('fetch jobs', () => {
    let origin: Server
    let url: string
    const open_: ServerResponse[] = []
    let closed = 0
    let connections = 0

    beforeAll(async () => {
      origin = createServer((request, response) => {
        if (request.url?.startsWith('/json')) {
          response.setHeader('content-type', 'application/json')
          response.end(JSON.stringify({ path: request.url, method: request.method }))
        } else if (request.url === '/busy') {
          response.writeHead(503, { 'retry-after': '7' }).end()
        } else {
          open_.push(response)
          response.on('close', () => {
            closed += 1
          })
        }
      })
      origin.on('connection', () => {
        connections += 1
      })
      origin.listen(0, '127.0.0.1')
      await once(origin, 'listening')
      url = `http://127.0.0.1:${(origin.address() as { port: number }).port}`
    })

    afterAll(() => {
      origin.closeAllConnections()
      origin.close()
    })

    function fetchJob(options: Partial<JobSpec> = {}): JobSpec {
      const fetch = { bodyPolicy: 'JSON' as const, maxBytes: 1e6, maxRedirects: 5, headers: [], okStatuses: null }
      return computeJob({ work: { kind: 'FETCH', fetch }, slots: 8, timeoutMs: 30_000, ...options })
    }

    it('send what a template and a list say', async () => {
      const source = { kind: 'template' as const, template: `${url}/json/{i}`, from: 10, to: 1505, step: 5, count: 300 }
      const { lane, listener } = await open(fetchJob({ source }))
      lane.grant({ first: 0, count: 300, indexes: null, inputs: null, attempts: null })
      const rows = await listener.untilRows(300)
      expect(rows.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, at) => at))
      for (const { index, output, outcome, fetch, serviceMs } of rows) {
        expect(outcome).toBe(Outcome.SUCCEEDED)
        expect(JSON.parse(output!)).toEqual({ path: `/json/${10 + 5 * index}`, method: 'GET' })
        expect(fetch).toMatchObject({ url: `${url}/json/${10 + 5 * index}`, status: 200 })
        expect(serviceMs).toBeGreaterThan(0)
      }
      expect(connections).toBeLessThanOrEqual(8)

      const list = new Listener()
      lane.open(fetchJob(), list)
      const post = { url: `${url}/json/post`, method: 'POST', headers: [], body: 'x' }
      lane.grant(grantOf([`${url}/json/get`, post, `${url}/busy`]))
      await list.untilRows(3)
      const byIndex = list.rows.sort((a, b) => a.index - b.index)
      expect(byIndex.map(({ output }) => output && JSON.parse(output))).toEqual([
        { path: '/json/get', method: 'GET' },
        { path: '/json/post', method: 'POST' },
        null,
      ])
      expect(byIndex[2]!.error).toMatchObject({ code: 'HTTP_STATUS', retryable: true })
      const retries = list.blocks.flatMap(({ columns }) => columns.errors.map(({ retryAfterMs }) => retryAfterMs))
      expect(retries).toHaveLength(1)
      expect(retries[0]).toBeGreaterThan(6_000)
      // Connections outlive a job.
      expect(connections).toBeLessThanOrEqual(8)
    })

    it('are cancelled down to the socket', async () => {
      const { lane, listener } = await open(fetchJob({ slots: 2 }))
      lane.grant(grantOf([`${url}/hang/1`, `${url}/hang/2`, `${url}/hang/3`]))
      await eventually(() => open_.length === 2)
      expect(lane.inService().map(({ index }) => index)).toEqual([0, 1])
      lane.cancel()
      await listener.untilRows(3)
      await eventually(() => closed === 2)
      const outcomes = new Map(listener.rows.map(({ index, outcome }) => [index, outcome]))
      expect(outcomes).toEqual(
        new Map([
          [0, Outcome.CANCELLED],
          [1, Outcome.CANCELLED],
          [2, Outcome.NOT_STARTED],
        ]),
      )
      expect(listener.rows.map(({ fetch }) => fetch !== null)).toEqual(
        listener.rows.map(({ outcome }) => outcome === Outcome.CANCELLED),
      )
      expect(lane.inService()).toEqual([])
      open_.length = 0
    })

    it('cancelled before they could begin give everything back', async () => {
      const { lane, listener } = await open(fetchJob())
      lane.grant(grantOf([`${url}/hang/4`]))
      lane.cancel()
      await listener.untilRows(1)
      expect([Outcome.CANCELLED, Outcome.NOT_STARTED]).toContain(listener.rows[0]!.outcome)
    })
  })
})

describe('a child process', () => {
  it('does not hear the signals that the terminal sends to all', async () => {
    const pool = testPool()
    const lane = await pool.acquire('PROCESS')
    const listener = new Listener()
    lane.open(computeJob(), listener)
    lane.grant(grantOf([{ do: 'pid' }]))
    const pid = Number((await listener.untilRows(1))[0]!.output)
    process.kill(pid, 'SIGINT')
    process.kill(pid, 'SIGTERM')
    lane.grant(grantOf([echo('still here')], 1))
    await listener.untilRows(2)
    process.kill(pid, 'SIGKILL')
    const { error } = await listener.untilDeath()
    expect(error).toMatchObject({ code: 'LANE_DIED', message: 'process-1 was ended by SIGKILL' })
    await pool.close()
  })

  it('has a limit for memory that is not JavaScript’s, and none for process.abort', async () => {
    const pool = testPool()
    const [hog, quitter] = await Promise.all([pool.acquire('PROCESS'), pool.acquire('PROCESS')])
    const [hogged, quit] = [new Listener(), new Listener()]
    hog.open(computeJob(), hogged)
    quitter.open(computeJob(), quit)
    hog.grant(grantOf([{ do: 'hogBuffers' }]))
    quitter.grant(grantOf([{ do: 'abort' }]))
    expect((await hogged.untilDeath()).error.code).toBe('OUT_OF_MEMORY')
    expect((await quit.untilDeath()).error).toMatchObject({
      code: 'LANE_DIED',
      message: 'process-2 exited with code 134',
    })
    await pool.close()
  })

  it('ends when its server was killed, even if a function spins', async () => {
    const options = { allowHosts: [], laneMemoryMb: 64, maxLanes: 2, keepWarm: 0 }
    const script = `
      const { createLanePool } = await import(${JSON.stringify(new URL('./pool.js', LANE_ENTRY).href)})
      const pool = createLanePool({ ...${JSON.stringify(options)}, entry: new URL(process.argv[1]), functionsDir: process.argv[2] })
      const job = (job) => ({ job, work: { kind: 'COMPUTE', function: 'act', reduce: null }, source: null, slots: 1, timeoutMs: null, maxOutputBytes: 1e6 })
      for (const last of ['spin', 'pid']) {
        const lane = await pool.acquire('PROCESS')
        lane.open(job(1), { onResults: ({ columns }) => console.log(columns.outputs.text), onDeath() {} })
        lane.grant({ first: 0, count: 2, indexes: null, inputs: [{ do: 'pid' }, { do: last }], attempts: null })
      }
    `
    const argv = ['--input-type=module', '-e', script, LANE_ENTRY.href, FUNCTIONS_DIR]
    const server = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const pids = new Set<number>()
    server.stdout.on('data', (data) => {
      for (const line of String(data).split('\n')) if (line) pids.add(Number(line))
    })
    await eventually(() => pids.size === 2)
    expect([...pids].every(isAlive)).toBe(true)
    server.kill('SIGKILL')
    await once(server, 'exit')
    await eventually(() => ![...pids].some(isAlive))
  })
})
