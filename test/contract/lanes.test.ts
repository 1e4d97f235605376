import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createReducer } from '../../src/domain/reduction.js'
import type { LaneKind } from '../../src/domain/strategy.js'
import type { Lane } from '../../src/lanes/lane.js'
import { laneSuite } from '../support/lane-suite.js'
import { computeJob, eventually, grantOf, Listener, Outcome, testPool } from '../support/lanes.js'

const echo = (value: unknown) => ({ do: 'echo', value })

describe.each<LaneKind>(['THREAD', 'PROCESS'])('a lane of kind %s', (kind) => {
  const suite = laneSuite(kind)
  const { gates, open, run } = suite

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
          suite.pool.release(lane)
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

    it('tell how busy the event loop was, and not how long it waited', async () => {
      const burnt = await run([
        { do: 'burn', ms: 5 },
        { do: 'burn', ms: 5 },
      ])
      const busyMs = ({ listener }: { listener: Listener }) =>
        listener.blocks.reduce((sum, { laneLoad }) => sum + (laneLoad?.busyMs ?? Number.NaN), 0)
      expect(busyMs(burnt)).toBeGreaterThan(0.9 * burnt.rows.reduce((sum, { serviceMs }) => sum + serviceMs, 0))
      const { lane, listener } = await open()
      lane.grant(grantOf([gates.input(`${kind}-waits`)]))
      await gates.reached(`${kind}-waits`)
      // While nothing keeps this lane busy another one computes.
      await run([{ do: 'burn', ms: 50 }])
      gates.open(`${kind}-waits`)
      const [waited] = await listener.untilRows(1)
      expect(busyMs({ listener })).toBeLessThan(0.9 * waited!.serviceMs)
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
      suite.pool.release(lane)
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

    it.each([
      ['taken bit by bit', 'hog'],
      ['taken in steps that double', 'hogSteps'],
      ['outside of JavaScript', 'hogBuffers'],
    ])('by memory %s is told apart', async (_how, act) => {
      const { lane, listener } = await open()
      lane.grant(grantOf([echo(1), { do: act }]))
      const { error, inService } = await listener.untilDeath()
      expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', retryable: false })
      expect(error.message).toContain('64 MB')
      expect(inService.map(({ index }) => index)).toEqual([1])
    })

    it('by an error that nothing caught fails the task that has left it behind, and no other', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const key = `${kind}-throwLater`
      lane.grant(grantOf([gates.input(key), echo(1)]))
      await gates.reached(key)
      lane.grant(grantOf([{ do: 'throwLater', message: 'too late' }], 2))
      const { error, inService } = await listener.untilDeath()
      expect(error.code).toBe('LANE_DIED')
      expect(error.message).toContain('TypeError: too late')
      expect(inService).toEqual([])
      expect(listener.rows.map(({ index, error }) => [index, error?.code])).toEqual([
        [1, undefined],
        [2, 'FUNCTION_ERROR'],
      ])
      expect(listener.rows[1]!.error!.message).toContain('TypeError: too late')
    })

    it('by exit of one task of several tells which one it was', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const key = `${kind}-exit`
      lane.grant(grantOf([gates.input(key)]))
      await gates.reached(key)
      lane.grant(grantOf([{ do: 'exit', code: 3 }], 1))
      const { error, inService } = await listener.untilDeath()
      expect(error).toEqual({ code: 'LANE_DIED', message: `${lane.name} exited with code 3`, retryable: true })
      expect(inService.map(({ index }) => index)).toEqual([1])
    })

    it('is not what a rejection comes to that is left behind: its task fails, and the others go on', async () => {
      const { lane, listener } = await open(computeJob({ slots: 2 }))
      const key = `${kind}-rejectLater`
      lane.grant(grantOf([gates.input(key)]))
      await gates.reached(key)
      lane.grant(grantOf([{ do: 'rejectLater', message: 'nobody cares' }, echo('next')], 1))
      await listener.untilRows(2)
      gates.open(key)
      const rows = await listener.untilRows(3)
      expect(rows.map(({ index, error }) => [index, error?.code]).sort()).toEqual([
        [0, undefined],
        [1, 'FUNCTION_ERROR'],
        [2, undefined],
      ])
      expect(listener.deaths).toEqual([])
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
      suite.pool.release(lane)
      expect(suite.pool.statuses().map(({ lane: name }) => name)).not.toContain(lane.name)
      const { rows } = await run([echo('again')])
      expect(rows[0]!.output).toBe('"again"')
    })
  })
})
