/** The suite that every kind of lane passes: a pool, and lanes that are given back after each test. */

import { afterAll, afterEach, beforeAll } from 'vitest'
import type { LaneKind } from '../../src/domain/strategy.js'
import type { Lane, LanePool } from '../../src/lanes/lane.js'
import type { JobSpec } from '../../src/lanes/protocol.js'
import { computeJob, Gates, grantOf, Listener, testPool } from './lanes.js'

export interface Opened {
  lane: Lane
  listener: Listener
  job: JobSpec
}

/** To be called in a describe. */
export function laneSuite(kind: LaneKind) {
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

  async function open(job: JobSpec = computeJob()): Promise<Opened> {
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

  return {
    gates,
    open,
    run,
    /** From the first test on. */
    get pool() {
      return pool
    },
  }
}
