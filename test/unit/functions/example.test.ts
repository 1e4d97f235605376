import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/domain/batch.js'
import { exampleOf } from '../../../src/functions/example.js'
import { SchemaCompiler } from '../../../src/functions/schema.js'

describe('exampleOf', () => {
  it.each<[Json, Json]>([
    [{ type: 'integer' }, 10],
    [{ type: 'integer', minimum: 100 }, 100],
    [{ type: 'number', exclusiveMaximum: 5 }, 4],
    [{ type: 'integer', minimum: 11, multipleOf: 4 }, 12],
    [{ minimum: 3 }, 10],
    [{ type: 'string' }, 'text'],
    [{ type: 'string', minLength: 6 }, 'text..'],
    [{ type: 'string', maxLength: 2 }, 'te'],
    [{ type: 'boolean' }, true],
    [{ type: ['integer', 'string'] }, 10],
    [{ enum: ['a', 'b'] }, 'a'],
    [{ const: 7 }, 7],
    [{ type: 'string', examples: ['Ada'] }, 'Ada'],
    [{ type: 'string', default: 'Grace' }, 'Grace'],
    [{ type: 'array', items: { type: 'string' }, minItems: 2 }, ['text', 'text']],
    [{ prefixItems: [{ type: 'boolean' }, { type: 'integer' }], minItems: 2 }, [true, 10]],
    [{ oneOf: [{ type: 'boolean' }, { type: 'integer' }] }, true],
    [
      {
        type: 'object',
        properties: { n: { type: 'integer' }, by: { type: 'object', properties: { k: { type: 'string' } } }, not: {} },
        required: ['n', 'by'],
      },
      { n: 10, by: { k: 'text' } },
    ],
    [{ properties: { a: { type: 'integer' }, b: { type: 'boolean' } } }, { a: 10, b: true }],
  ])('makes an input of %o', (schema, example) => {
    expect(exampleOf(schema)).toEqual(example)
    expect(new SchemaCompiler({ trusted: false }).compile(schema)(example)).toEqual([])
  })

  it('is never null, and ends for every schema', () => {
    expect(exampleOf({ type: 'null' })).toEqual({})
    expect(exampleOf(true)).toEqual({})
    let deep: Json = { type: 'integer' }
    for (let level = 0; level < 50; level += 1) deep = { properties: { next: deep } }
    expect(JSON.stringify(exampleOf(deep)).length).toBeLessThan(200)
  })
})
