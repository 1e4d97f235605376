import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/domain/batch.js'
import { plainNumberRule } from '../../../src/functions/numbers.js'
import { SchemaCompiler } from '../../../src/functions/schema.js'

const bound = fc.integer({ min: -50, max: 50 })
const schemas = fc
  .record(
    {
      type: fc.constantFrom<Json>('number', 'integer', 'string', ['integer', 'string'], ['null', 'number']),
      minimum: bound,
      maximum: bound,
      exclusiveMinimum: bound,
      exclusiveMaximum: bound,
      multipleOf: fc.integer({ min: 1, max: 7 }),
      pattern: fc.constant('^x$'),
      description: fc.constant('n'),
    },
    { requiredKeys: [] },
  )
  .map((schema) => schema as Json)

describe('plainNumberRule', () => {
  it('says of every number what the schema says', () => {
    const compiler = new SchemaCompiler({ trusted: true })
    fc.assert(
      fc.property(
        schemas,
        fc.array(
          fc.oneof(
            bound,
            fc.double({ min: -60, max: 60, noNaN: true }),
            fc.double({ noNaN: true, noDefaultInfinity: true }),
          ),
        ),
        (schema, numbers) => {
          const rule = plainNumberRule(schema)
          const check = compiler.compile(schema)
          for (const number of numbers) expect(rule?.(number)).toBe(check(number).length === 0)
        },
      ),
      { numRuns: 60, examples: [[{ multipleOf: 2 }, [Number.MIN_VALUE, -Number.MIN_VALUE, 1e22, 3e300, -0]]] },
    )
  })

  it('holds for a whole range where it holds for its first, second and last number', () => {
    const wide = fc.record({
      type: fc.constantFrom('number', 'integer'),
      minimum: fc.integer({ min: -100, max: 0 }),
      exclusiveMaximum: fc.integer({ min: 1, max: 100 }),
      multipleOf: fc.integer({ min: 1, max: 3 }),
    })
    const ranges = fc.tuple(
      fc.integer({ min: -30, max: 30 }),
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: 1, max: 20 }),
    )
    let fitting = 0
    fc.assert(
      fc.property(wide, ranges, (schema, [from, step, count]) => {
        const rule = plainNumberRule(schema) as (number: number) => boolean
        const fits = (index: number) => rule(from + step * index)
        if (![0, Math.min(1, count - 1), count - 1].every(fits)) return
        fitting += 1
        expect(Array.from({ length: count }, (_, index) => index).every(fits)).toBe(true)
      }),
      { numRuns: 2000 },
    )
    expect(fitting).toBeGreaterThan(50)
  })

  it.each<[Json]>([
    [{ enum: [1, 2] }],
    [{ type: 'integer', not: { const: 3 } }],
    [{ anyOf: [{ type: 'integer' }] }],
    [{ $ref: '#/$defs/n' }],
    [{ multipleOf: 0.1 }],
    [{ minimum: '1' }],
    [{ toString: 1 }],
    [null],
    [[]],
    [false],
  ])('leaves %o to the whole schema', (schema) => {
    expect(plainNumberRule(schema)).toBeNull()
  })
})
