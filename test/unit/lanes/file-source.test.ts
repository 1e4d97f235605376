/** Jobs whose inputs are the lines of a file. */

import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_LOAD } from '../../../src/domain/lane-load.js'
import { Authors } from '../../../src/lanes/authors.js'
import { Backlog } from '../../../src/lanes/backlog.js'
import { ComputeJob } from '../../../src/lanes/compute.js'
import type { Grant, ResultBlock } from '../../../src/lanes/protocol.js'
import { Strays } from '../../../src/lanes/strays.js'
import { filesFolder } from '../../support/files.js'
import { computeJob, Outcome } from '../../support/lanes.js'
import { until } from '../../support/until.js'

let files: ReturnType<typeof filesFolder>
beforeEach(() => {
  files = filesFolder()
})
afterEach(() => files.remove())

/** A grant of lines that the lane reads by itself. */
function linesOf(first: number, count: number): Grant {
  return { first, count, indexes: null, inputs: null, attempts: null }
}

const NUMBERS = Array.from({ length: 2_500 }, (_, at) => at).join('\n')

describe('Backlog over a file', () => {
  it('takes inputs from lines, wherever they are', () => {
    const backlog = new Backlog({ source: { kind: 'file', ...files.write(NUMBERS) }, takesOver: false })
    backlog.push({ first: 0, count: 3, indexes: [2_400, 7, 1_000], inputs: null, attempts: null })
    const inputs: unknown[] = []
    while (backlog.next()) inputs.push(backlog.input())
    expect(inputs).toEqual([2_400, 7, 1_000])
  })

  it('throws for the input of a bad line, and goes on with the next', () => {
    const backlog = new Backlog({ source: { kind: 'file', ...files.write('1\nx\n3') }, takesOver: false })
    backlog.push(linesOf(0, 3))
    backlog.next()
    expect(backlog.input()).toBe(1)
    backlog.next()
    expect(() => backlog.input()).toThrow('the line is no JSON: "x"')
    backlog.next()
    expect(backlog.input()).toBe(3)
  })
})

describe('ComputeJob over a file', () => {
  function setUp(spec: ReturnType<typeof files.write>) {
    const blocks: ResultBlock[] = []
    const wiped: number[] = []
    const seen: unknown[] = []
    const job = new ComputeJob(computeJob({ source: { kind: 'file', ...spec } }), {
      fn: {
        fn: { name: 'f', description: '', inputSchema: {}, run: (input) => void seen.push(input) },
        validate: () => [],
        prepare: () => {},
      },
      tellWaiting: () => {},
      slate: { mark() {}, progress() {}, wipe: (slot) => void wiped.push(slot) },
      cpu: null,
      authors: new Authors(),
      load: () => NO_LOAD,
      strays: new Strays(() => {}),
      epochOfZeroMs: 0,
      send: (block) => void blocks.push(block),
    })
    return { job, blocks, seen, wiped }
  }

  const outcomes = (blocks: readonly ResultBlock[]) =>
    blocks.flatMap(({ columns }) => [...columns.outcomes.subarray(0, columns.count)])

  /** A lane that loses its core goes on in another turn of its event loop. */
  const reported = (blocks: readonly ResultBlock[], count: number) => until(() => outcomes(blocks).length === count)

  it('fails bad lines one by one', async () => {
    const { job, blocks, seen } = setUp(files.write('1\nx\n[3]'))
    job.grant(linesOf(0, 3))
    await reported(blocks, 3)
    expect(seen).toEqual([1, [3]])
    expect(outcomes(blocks)).toEqual([Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED])
    const errors = blocks.flatMap(({ columns }) => columns.errors.map(({ error }) => error))
    expect(errors).toEqual([{ code: 'INVALID_INPUT', message: 'the line is no JSON: "x"', retryable: false }])
    expect(blocks.some(({ unreadable }) => unreadable !== undefined)).toBe(false)
  })

  it('gives everything back where the file cannot be read, says so once, and blames no task', async () => {
    const spec = files.write(NUMBERS)
    const { job, blocks, seen, wiped } = setUp(spec)
    job.grant(linesOf(998, 1))
    await reported(blocks, 1)
    rmSync(spec.path)
    const before = blocks.length
    job.grant(linesOf(999, 4))
    await reported(blocks, 5)
    expect(seen).toEqual([998, 999])
    const after = blocks.slice(before)
    expect(outcomes(after)).toEqual([Outcome.SUCCEEDED, ...Array(3).fill(Outcome.NOT_STARTED)])
    expect(wiped.length).toBeGreaterThan(0)
    const said = after.filter(({ unreadable }) => unreadable !== undefined)
    expect(said).toHaveLength(1)
    expect(said[0]?.unreadable).toMatch(/ENOENT/)
    // All that was given back is in that block: what comes in others may be granted at once.
    expect(outcomes(said).filter((outcome) => outcome === Outcome.NOT_STARTED)).toHaveLength(3)
    job.grant(linesOf(5, 1))
    await reported(blocks, 6)
    expect(outcomes(blocks.slice(-1))).toEqual([Outcome.SUCCEEDED])
  })
})
