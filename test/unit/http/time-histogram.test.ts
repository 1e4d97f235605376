import fc from 'fast-check'
import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { addColumn, emptyMoments } from '../../../src/domain/timing.js'
import { BOUNDS_SECONDS, TimeHistogram } from '../../../src/http/time-histogram.js'
import { parseExposition, sampleValue } from '../../support/exposition.js'

function histogram() {
  const registry = new Registry()
  const labels = ['FETCH', 'COMPUTE'] as const
  const times = new TimeHistogram({ name: 'x_seconds', help: 'Times.', registry, labelName: 'kind', labels })
  const add = (values: readonly number[]) => {
    const column = Float64Array.from(values)
    const moments = emptyMoments()
    addColumn(moments, column)
    times.add('FETCH', column, moments)
  }
  return { registry, add }
}

/** Often at a bound exactly. */
const ms = fc.oneof(
  fc.double({ min: 0, max: 1e6, noNaN: true }),
  fc.constantFrom(...BOUNDS_SECONDS).map((s) => s * 1000),
)

it('counts each value in every bucket that it is not above, however the columns are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(ms, { maxLength: 20 }), { maxLength: 5 }), async (columns) => {
      const { registry, add } = histogram()
      for (const column of columns) add(column)
      const families = parseExposition(await registry.metrics())
      const all = columns.flat()
      for (const bound of BOUNDS_SECONDS)
        expect(sampleValue(families, 'x_seconds_bucket', { kind: 'FETCH', le: String(bound) })).toBe(
          all.filter((value) => value <= bound * 1000).length,
        )
      expect(sampleValue(families, 'x_seconds_count', { kind: 'FETCH' })).toBe(all.length)
      const sum = all.reduce((total, value) => total + value, 0) / 1000
      expect(sampleValue(families, 'x_seconds_sum', { kind: 'FETCH' })).toBeCloseTo(sum, 6)
      expect(sampleValue(families, 'x_seconds_count', { kind: 'COMPUTE' })).toBe(0)
    }),
    { numRuns: 50 },
  )
})

it('is read by those who take metrics as JSON, too', async () => {
  const { registry, add } = histogram()
  add([50])
  const [found] = await registry.getMetricsAsJSON()
  expect(found).toMatchObject({ name: 'x_seconds', type: 'histogram' })
})
