import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_PART_HOSTS, PartReader, TimedParts, TimedSum } from '../../../src/domain/timed-parts.js'
import { distributionFromSketch, distributionFromValues } from '../../../src/domain/timing.js'

const of = { stage: 0, function: 'f', host: null }

function read(bytes: Uint8Array) {
  const found = []
  for (const reader = new PartReader(bytes); reader.next(); ) {
    const { stage, function: name, host, tasks, failed } = reader
    found.push({ stage, function: name, host, tasks, failed, service: { ...reader.service } })
  }
  return found
}

describe('timed parts', () => {
  it('tell stages, functions and hosts apart, and come back as they were packed', () => {
    const parts = new TimedParts()
    parts.at({ stage: 0, function: null, host: 'a:80' }).add({ tasks: 2, failed: 1, serviceMs: [1, 3] })
    parts.at({ stage: 1, function: 'f', host: null }).add({ tasks: 1, failed: 0, serviceMs: [10] })
    parts.at({ stage: 0, function: null, host: 'b' }).add({ tasks: 1, failed: 0, serviceMs: [] })
    parts.at({ stage: 0, function: null, host: 'a:80' }).add({ tasks: 1, failed: 0, serviceMs: [5] })
    expect(read(parts.pack())).toEqual([
      {
        stage: 0,
        function: null,
        host: 'a:80',
        tasks: 3,
        failed: 1,
        service: { count: 3, min: 1, max: 5, sum: 9, mean: 3, m2: 8 },
      },
      {
        stage: 1,
        function: 'f',
        host: null,
        tasks: 1,
        failed: 0,
        service: { count: 1, min: 10, max: 10, sum: 10, mean: 10, m2: 0 },
      },
      {
        stage: 0,
        function: null,
        host: 'b',
        tasks: 1,
        failed: 0,
        service: { count: 0, min: 0, max: 0, sum: 0, mean: 0, m2: 0 },
      },
    ])
  })

  it('are the same merged from pieces as from all values at once', () => {
    const times = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(times, times, (first, second) => {
        const merged = new TimedParts()
        for (const serviceMs of [first, second]) {
          const piece = new TimedParts()
          piece.at(of).add({ tasks: serviceMs.length, failed: 0, serviceMs })
          merged.mergePacked(piece.pack())
        }
        const sum = new TimedSum()
        for (const reader = new PartReader(merged.pack()); reader.next(); ) sum.merge(reader)
        const exact = distributionFromValues(Float64Array.from([...first, ...second]).sort())
        const sketched = distributionFromSketch(sum.sketch, sum.service)
        expect(sum.tasks).toBe(first.length + second.length)
        expect(sketched.moments).toMatchObject({
          count: exact.moments.count,
          min: exact.moments.min,
          max: exact.moments.max,
        })
        expect(sketched.moments.mean).toBeCloseTo(exact.moments.mean, 4)
        expect(sketched.stddev).toBeCloseTo(exact.stddev, 2)
        for (const p of [0, 0.5, 0.9, 0.99, 1]) {
          const off = Math.abs(sketched.percentile(p) - exact.percentile(p))
          expect(off).toBeLessThanOrEqual(0.0101 * exact.percentile(p) + 1e-6)
        }
      }),
    )
  })

  it('keep a thousand hosts apart, and the tasks at all others together', () => {
    const parts = new TimedParts()
    for (let host = 0; host < MAX_PART_HOSTS + 50; host += 1)
      parts.at({ stage: 0, function: null, host: `h${host}` }).add({ tasks: 1, failed: 0, serviceMs: [1] })
    parts.at({ stage: 0, function: null, host: 'h3' }).add({ tasks: 1, failed: 0, serviceMs: [1] })
    const found = read(parts.pack())
    expect(found).toHaveLength(MAX_PART_HOSTS + 1)
    expect(found.find(({ host }) => host === 'h3')?.tasks).toBe(2)
    expect(found.find(({ host }) => host === null)?.tasks).toBe(50)
  })

  it('refuse what is none', () => {
    expect(() => new PartReader(new Uint8Array([9]))).toThrow('format 9')
    const bytes = new TimedParts()
    bytes.at(of).add({ tasks: 1, failed: 0, serviceMs: [1] })
    expect(() => read(bytes.pack().subarray(0, 20))).toThrow('the bytes end')
  })
})
