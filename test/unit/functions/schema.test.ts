import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/domain/batch.js'
import { SchemaCompiler } from '../../../src/functions/schema.js'

const problems = (schema: Json, value: unknown) => new SchemaCompiler({ trusted: false }).compile(schema)(value)

describe('SchemaCompiler', () => {
  it('tells every problem, each with the way to its value', () => {
    const schema: Json = {
      type: 'object',
      properties: {
        points: { type: 'array', items: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
        'a/b~c': { type: 'string', minLength: 2 },
        unit: { enum: ['m', 'km'] },
        version: { const: 2 },
        never: false,
      },
      additionalProperties: false,
    }
    const value = { points: [{ x: 1 }, { x: 'one' }, {}], 'a/b~c': '', unit: 'mile', version: 1, never: 1, more: 1 }
    const found = problems(schema, value)
    expect(found).toHaveLength(7)
    expect(found).toEqual(
      expect.arrayContaining([
        { path: [], message: 'must not have the property "more"' },
        { path: ['points', 1, 'x'], message: 'must be number' },
        { path: ['points', 2], message: "must have required property 'x'" },
        { path: ['a/b~c'], message: 'must NOT have fewer than 2 characters' },
        { path: ['unit'], message: 'must be one of "m", "km"' },
        { path: ['version'], message: 'must be 2' },
        { path: ['never'], message: 'is not allowed here' },
      ]),
    )
  })

  it('has no problem with what fits', () => {
    expect(problems({ type: 'integer', minimum: 0 }, 5)).toEqual([])
    expect(problems(true, { any: ['thing'] })).toEqual([])
    expect(problems(false, 1)).toHaveLength(1)
  })

  it('reads a path through a number that is a property', () => {
    expect(problems({ properties: { 0: { type: 'string' } } }, { 0: 1 })).toEqual([
      { path: ['0'], message: 'must be string' },
    ])
  })

  it('reads draft 2020-12 unless $schema says draft-07', () => {
    const tuple = (draft: Json) => ({ ...(draft as object), items: [{ type: 'string' }] }) as Json
    expect(() => problems(tuple({}), [1])).toThrow('schema is invalid')
    expect(problems(tuple({ $schema: 'http://json-schema.org/draft-07/schema#' }), [1])).toHaveLength(1)
    const prefix: Json = { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] }
    expect(problems(prefix, [1])).toHaveLength(1)
    expect(problems({ ...prefix, $schema: 'https://json-schema.org/draft-07/schema' }, [1])).toEqual([])
    expect(() => problems({ $schema: 'http://json-schema.org/draft-04/schema#' }, 1)).toThrow('draft-04')
  })

  it('takes unknown keywords and formats as annotations', () => {
    expect(problems({ type: 'string', format: 'made-up', 'x-order': 3 }, 'a')).toEqual([])
  })

  it.each<[Json, RegExp]>([
    [{ type: 'whole' }, /schema is invalid.*type/],
    [{ minimum: '3' }, /schema is invalid.*minimum/],
    [{ pattern: '(' }, /pattern|regular expression/i],
    [{ $ref: 'https://example.com/elsewhere.json' }, /can't resolve reference/],
    ['integer', /an object, true or false/],
    [[], /an object, true or false/],
  ])('says what is wrong with %o', (schema, message) => {
    expect(() => problems(schema, 1)).toThrow(message)
  })

  it('lets two schemas have the same $id', () => {
    const compiler = new SchemaCompiler({ trusted: false })
    const small = compiler.compile({ $id: 'https://example.com/n', maximum: 1 })
    const large = compiler.compile({ $id: 'https://example.com/n', maximum: 100 })
    expect(small(50)).toHaveLength(1)
    expect(large(50)).toEqual([])
  })

  it('asks for properties of the value itself', () => {
    expect(problems({ required: ['toString', 'constructor'] }, {})).toHaveLength(2)
    expect(problems({ required: ['a'] }, Object.assign(Object.create(null), { a: 1 }))).toEqual([])
  })
})
