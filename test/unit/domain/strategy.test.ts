import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ExecutionRequest, planExecution, slotsOfLane } from '../../../src/domain/strategy.js'

const base: ExecutionRequest = {
  kind: 'COMPUTE',
  strategy: 'AUTO',
  concurrency: null,
  lanes: null,
  items: 1000,
  defaultLanes: 2,
  maxInFlight: 256,
}
const plan = (request: Partial<ExecutionRequest>) => planExecution({ ...base, ...request })

describe('planExecution', () => {
  it.each([
    [{ strategy: 'SEQUENTIAL' }, 'SEQUENTIAL', 1, 1],
    [{ strategy: 'ASYNC' }, 'ASYNC', 1, 16],
    [{ strategy: 'THREADS' }, 'THREADS', 2, 2],
    [{ strategy: 'THREADS', lanes: 8 }, 'THREADS', 8, 8],
    [{ strategy: 'THREADS', lanes: 8, concurrency: 3 }, 'THREADS', 3, 3],
    [{ strategy: 'PROCESSES', concurrency: 9 }, 'PROCESSES', 2, 2],
    [{ strategy: 'AUTO' }, 'THREADS', 2, 2],
    [{ strategy: 'ASYNC', lanes: 8, items: 5 }, 'ASYNC', 1, 5],
    [{ strategy: 'AUTO', kind: 'FETCH' }, 'ASYNC', 1, 64],
    [{ strategy: 'SEQUENTIAL', kind: 'FETCH', concurrency: 10 }, 'SEQUENTIAL', 1, 10],
    [{ strategy: 'THREADS', kind: 'FETCH' }, 'THREADS', 2, 64],
    [{ strategy: 'THREADS', kind: 'FETCH', concurrency: 1 }, 'THREADS', 1, 1],
    [{ strategy: 'PROCESSES', kind: 'FETCH', concurrency: 1000 }, 'PROCESSES', 2, 256],
  ] as const)('%j runs as %s on %i lanes, %i in flight', (request, strategy, lanes, concurrency) => {
    const expected = request.strategy === 'SEQUENTIAL' ? 1 : concurrency
    expect(plan(request)).toMatchObject({ strategy, lanes, concurrency: expected })
  })

  it('shares what may be in flight out over the lanes, whole and nearly even', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 32 }), (concurrency, lanes) => {
        const execution = plan({ strategy: 'THREADS', kind: 'FETCH', concurrency, lanes, items: 10_000 })
        const slots = Array.from({ length: execution.lanes }, (_, at) => slotsOfLane(execution, at))
        expect(slots.reduce((sum, one) => sum + one, 0)).toBe(execution.concurrency)
        expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1)
        expect(Math.min(...slots)).toBeGreaterThan(0)
      }),
    )
  })
})
