import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { Outcome } from '../../../src/domain/results.js'
import type { FetchOptionsInput } from '../../../src/engine/engine.js'
import { World } from '../../support/engine-world.js'
import type { FakeLane, Verdict } from '../../support/fake-lanes.js'

const AGAIN = { code: 'HTTP_STATUS' as const, message: 'answered with status 503', retryable: true }

/** Numbers become URLs in a compute, and are fetched with limits then. */
class FetchingPipelines extends World {
  launch(items: number, fetch: FetchOptionsInput, options = {}): Promise<RunKey> {
    return this.pipeline({ items, stages: [{ compute: { function: 'any' } }, { fetch: { fetch } }], options })
  }

  lanesOf(stage: number): FakeLane[] {
    return this.pool.busy.filter(({ job }) => job?.work.kind === (stage === 0 ? 'COMPUTE' : 'FETCH'))
  }

  heldOf(stage: number): number[] {
    return this.lanesOf(stage).flatMap(({ held }) => held.map(({ index }) => index))
  }

  /** Ends all that the stage's lanes hold, again and again, until they hold nothing. */
  async endAll(stage: number, verdict: (index: number) => Verdict): Promise<number> {
    let ended = 0
    for (let lanes = this.lanesOf(stage); lanes.length > 0; lanes = this.lanesOf(stage)) {
      for (const lane of lanes) {
        ended += lane.held.length
        lane.end([...lane.held.keys()], ({ index }) => verdict(index))
      }
      await this.settle()
    }
    return ended
  }
}

const urlOf =
  (url: (index: number) => string) =>
  (index: number): Verdict => ({ outcome: Outcome.SUCCEEDED, output: JSON.stringify(url(index)) })
const page = urlOf((index) => `http://a.example/${index % 2}`)
const different = urlOf((index) => `http://${index % 2 === 0 ? 'a' : 'b'}.example/${index}`)
const body = (): Verdict => ({ outcome: Outcome.SUCCEEDED, output: '"body"' })

describe('a pipeline whose later stage sends one request once', () => {
  it('answers every item, whichever came first', async () => {
    const world = new FetchingPipelines()
    const key = await world.launch(6, { dedupe: true })
    await world.endAll(0, page)
    expect(world.heldOf(1)).toHaveLength(2)
    await world.endAll(1, body)
    const rows = world.rows(key).filter(({ stage }) => stage === 1)
    expect(rows.map(({ output }) => output)).toEqual(Array(6).fill('"body"'))
    expect(rows.map(({ attempts }) => attempts).sort()).toEqual([0, 0, 0, 0, 1, 1])
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 12 } })
    expect(world.store.problems()).toEqual([])
  })

  it('gives after a crash the answers that had come before it, and comes to its end', async () => {
    const world = new FetchingPipelines()
    const key = await world.launch(6, { dedupe: true })
    await world.endAll(0, page)
    await world.end(world.lanesOf(1)[0], body(), 1)
    const [first] = world.rows(key).filter(({ stage }) => stage === 1)
    await world.crash()
    const ended = world.rows(key).filter(({ stage, index }) => stage === 1 && index % 2 === first!.index % 2)
    expect(ended.map(({ attempts }) => attempts)).toEqual([1, 0, 0])
    // The other request alone is sent.
    expect(world.heldOf(1)).toHaveLength(1)
    await world.endAll(1, body)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 12 } })
    expect(world.store.problems()).toEqual([])
  })
})

describe('a pipeline whose later stage has limits per host', () => {
  it('keeps to them, and sends the others meanwhile', async () => {
    const world = new FetchingPipelines()
    const key = await world.launch(6, { perHostConcurrency: 1 })
    await world.endAll(0, different)
    expect(world.heldOf(1).map((index) => index % 2)).toEqual([0, 1])
    expect(await world.endAll(1, body)).toBe(6)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 12 } })
  })

  it('tries again what failed, with what it was handed over', async () => {
    const world = new FetchingPipelines()
    const key = await world.launch(2, { perHostRate: 100 }, { retry: { backoffMs: 1_000, maxAttempts: 2 } })
    await world.endAll(0, different)
    await world.endAll(1, () => ({ outcome: Outcome.FAILED, error: AGAIN }))
    await world.pass(2_000)
    const held = world.lanesOf(1).flatMap((lane) => lane.held)
    expect(held.map(({ index, attempt, input }) => [index, attempt, input]).sort()).toEqual([
      [0, 2, 'http://a.example/0'],
      [1, 2, 'http://b.example/1'],
    ])
    await world.endAll(1, body)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 4 } })
    expect(world.store.problems()).toEqual([])
  })

  it('goes on after a crash with what is left', async () => {
    const world = new FetchingPipelines()
    const key = await world.launch(4, { perHostConcurrency: 1 })
    await world.endAll(0, different)
    await world.end(world.lanesOf(1)[0], body(), 1)
    await world.crash()
    expect(await world.endAll(1, body)).toBe(3)
    expect(world.record(key)).toMatchObject({ status: 'SUCCEEDED', counts: { succeeded: 8 } })
    expect(world.store.problems()).toEqual([])
  })
})
