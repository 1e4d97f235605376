import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import type { FunctionContext } from '../../../src/functions/function.js'
import { count, deferred, type Run, setUp } from '../../support/compute.js'
import { grantOf, Outcome } from '../../support/lanes.js'

// The lane keeps the clock that it began with: here it is to be the test's.
vi.mock('../../../src/lanes/now.js', () => ({ now: () => performance.now() }))

describe('ComputeJob', () => {
  it('runs synchronous tasks one after the other, each marked while it runs and wiped before it is reported', async () => {
    const seen: number[][] = []
    const { job, slate, listener, violations } = setUp((input) => {
      seen.push(slate.indexes)
      return input
    })
    job.grant(grantOf(count(2_000)))
    await listener.untilRows(2_000)
    expect(seen).toEqual(count(2_000).map((index) => [index]))
    expect(violations).toEqual([])
    expect(slate.indexes).toEqual([])
  })

  it('lets the event loop turn while it goes through a long grant', async () => {
    const { job, listener } = setUp(() => {
      const endMs = performance.now() + 0.1
      while (performance.now() < endMs);
    })
    job.grant(grantOf(count(500)))
    expect(listener.rows.length).toBeLessThan(500)
    await turn()
    job.cancel()
    const rows = await listener.untilRows(500)
    const done = rows.filter(({ outcome }) => outcome === Outcome.SUCCEEDED).length
    expect(done).toBeGreaterThan(0)
    expect(rows.slice(done).every(({ outcome }) => outcome === Outcome.NOT_STARTED)).toBe(true)
  })

  it('lets it turn for asynchronous functions that never wait, too', async () => {
    const { job, listener } = setUp(async () => {
      const endMs = performance.now() + 0.1
      while (performance.now() < endMs);
    })
    job.grant(grantOf(count(500)))
    await turn()
    await turn()
    expect(listener.rows.length).toBeLessThan(500)
    job.cancel()
    await listener.untilRows(500)
    expect(listener.rows.map(({ index }) => index)).toEqual(count(500))
  })

  it('tells what computes in pieces from what waits, however little of the CPU it gets', async () => {
    const share = async (run: Run): Promise<number> => {
      const { job, listener } = setUp(run, { tellsWaiting: true, cpu: () => 0 })
      job.grant(grantOf([0]))
      await listener.until(() => listener.waits.length === 2)
      expect(listener.waits[0]).toBeNull()
      job.cancel()
      return listener.waits[1]!
    }
    const pieces = async (_input: unknown, { signal }: FunctionContext) => {
      while (!signal.aborted) await turn()
    }
    expect(await share(pieces)).toBeGreaterThan(0.9)
    // This process may be kept from its own work, but not each time.
    let least = 1
    while (least > 0.5) least = Math.min(least, await share(() => new Promise(() => {})))
    expect(least).toBeGreaterThanOrEqual(0)
  })

  it('has no more in service than it has slots', async () => {
    const open: ReturnType<typeof deferred<number>>[] = []
    const { job, slate, listener, violations } = setUp(
      () => {
        const one = deferred<number>()
        open.push(one)
        return one.promise
      },
      { slots: 3 },
    )
    job.grant(grantOf(count(6)))
    while (open.length < 3) await turn()
    expect(slate.indexes).toEqual([0, 1, 2])
    open[1]!.resolve(1)
    await listener.untilRows(1)
    while (open.length < 4) await turn()
    expect(new Set(slate.indexes)).toEqual(new Set([0, 2, 3]))
    for (const one of open) one.resolve(0)
    await listener.untilRows(3)
    while (listener.rows.length < 6) {
      for (const one of open) one.resolve(0)
      await turn()
    }
    expect(violations).toEqual([])
    expect(open).toHaveLength(6)
  })

  it('reports a task that was given up once, whatever its function comes to', async () => {
    const one = deferred<string>()
    const other = deferred<string>()
    const signals: AbortSignal[] = []
    const { job, slate, listener, stray, strays } = setUp(
      (input, { signal }) => {
        signals.push(signal)
        return input === 'one' ? one.promise : other.promise
      },
      { slots: 2 },
    )
    job.grant(grantOf(['one', 'other']))
    while (signals.length < 2) await turn()
    job.cancel()
    expect(listener.outcomes).toEqual([Outcome.CANCELLED, Outcome.CANCELLED])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(signals[0]).not.toBe(signals[1])
    expect(slate.indexes).toEqual([])
    expect(stray.count).toBe(2)
    one.resolve('late')
    await turn()
    expect(strays.settled).toBe(0)
    other.reject(new Error('late too'))
    await turn()
    expect(strays.settled).toBe(1)
    expect(listener.rows).toHaveLength(2)
  })

  it('shows how far a synchronous task says it is, and says nothing of the next one', async () => {
    const seen: (number | null | undefined)[] = []
    const { job, slate, listener } = setUp((_input, { index, progress }) => {
      seen.push(slate.marked.get(0)?.progress)
      progress((index + 1) / 4)
      seen.push(slate.marked.get(0)?.progress)
      if (index === 1) throw new Error('no more')
    })
    job.grant(grantOf(count(3)))
    await listener.untilRows(3)
    expect(seen).toEqual([null, 0.25, null, 0.5, null, 0.75])
  })

  it('shows how far each asynchronous task is, in its own place', async () => {
    const open = [deferred<void>(), deferred<void>()]
    const { job, slate, listener } = setUp(
      async (_input, { index, progress }) => {
        progress(0.1 * (index + 1))
        await open[index]!.promise
      },
      { slots: 2 },
    )
    job.grant(grantOf(count(2)))
    while (slate.marked.size < 2) await turn()
    expect([...slate.marked.values()].map(({ index, progress }) => [index, progress])).toEqual([
      [0, 0.1],
      [1, 0.2],
    ])
    for (const { resolve } of open) resolve()
    await listener.untilRows(2)
  })

  it('takes nothing of the progress from tasks that have ended, however they did', async () => {
    const left: ((fraction: number) => void)[] = []
    const { job, slate, listener } = setUp(
      (_input, { index, progress }) => {
        left.push(progress)
        if (index === 1) throw new Error('no more')
        if (index === 2) return new Promise(() => {})
        for (const tell of left.slice(0, -1)) tell(0.9)
        return slate.marked.get(0)?.progress
      },
      { timeoutMs: 20 },
    )
    job.grant(grantOf(count(4)))
    const rows = await listener.untilRows(4)
    expect(rows.map(({ error }) => error?.code)).toEqual([undefined, 'FUNCTION_ERROR', 'TIMEOUT', undefined])
    expect(rows[3]!.output).toBe('null')
  })

  it('gives each asynchronous task a signal of its own, and tasks after it another', async () => {
    const signals: AbortSignal[] = []
    const { job, listener } = setUp((input, { signal }) => {
      signals.push(signal)
      return input === 'wait' ? Promise.resolve() : null
    })
    job.grant(grantOf(['go', 'go', 'wait', 'go']))
    await listener.untilRows(4)
    expect(signals[1]).toBe(signals[0])
    expect(signals[3]).not.toBe(signals[2])
  })

  it('measures the CPU time of tasks from half a millisecond on, and of no task beside others', async () => {
    let cpuMs = 0
    let nowMs = 1_000
    const now = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    const run: Run = (input) => {
      nowMs += input === 'short' ? 0.1 : 1
      cpuMs += input === 'short' ? 0.1 : 0.75
      return input === 'promise' ? Promise.resolve() : 1
    }
    const alone = setUp(run, { cpu: () => cpuMs })
    alone.job.grant(grantOf(['long', 'long', 'short', 'long', 'long', 'promise']))
    await alone.listener.untilRows(6)
    const beside = setUp(run, { cpu: () => cpuMs, slots: 2 })
    beside.job.grant(grantOf(['promise', 'promise']))
    await beside.listener.untilRows(2)
    now.mockRestore()
    const nan = Number.NaN
    // After a short task the clock is not read at the start of the next one.
    expect(alone.listener.rows.map(({ cpuMs }) => cpuMs)).toEqual([0.75, 0.75, nan, nan, 0.75, 0.75])
    const total = alone.listener.blocks.reduce((sum, { laneCpuMs }) => sum + laneCpuMs, 0)
    expect(total).toBeCloseTo(3.85)
    expect(beside.listener.rows.map(({ cpuMs }) => cpuMs)).toEqual([nan, nan])
  })

  it('ends a task whose thenable is hostile', async () => {
    const hostile = {
      // biome-ignore lint/suspicious/noThenProperty: what a function may return, and nobody should.
      get then() {
        throw new Error('no promise of yours')
      },
    }
    const { job, listener } = setUp(() => hostile)
    job.grant(grantOf([1]))
    const [row] = await listener.untilRows(1)
    expect(row!.error).toEqual({ code: 'FUNCTION_ERROR', message: 'no promise of yours', retryable: false })
  })

  it('sends what it has when it is told to', async () => {
    const one = deferred<number>()
    const { job, listener } = setUp((input) => (input === 'wait' ? one.promise : input), { slots: 2 })
    job.grant(grantOf([1, 'wait']))
    job.flush()
    expect(listener.rows.map(({ output }) => output)).toEqual(['1'])
    one.resolve(2)
    await listener.untilRows(2)
  })
})
