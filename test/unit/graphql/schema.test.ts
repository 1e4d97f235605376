import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  validate,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { EXAMPLES } from '../../../src/graphql/examples.js'
import { printedSchema, schema } from '../../../src/graphql/schema.js'

const PRINTED = fileURLToPath(new URL('../../../schema.graphql', import.meta.url))

function own(): GraphQLNamedType[] {
  return Object.values(schema.getTypeMap()).filter(
    (type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type),
  )
}

/** The names of what a type is made of, with what they say about themselves. */
function members(type: GraphQLNamedType): [string, string | null | undefined][] {
  if (isEnumType(type)) return type.getValues().map((value) => [`${type.name}.${value.name}`, value.description])
  if (isInputObjectType(type))
    return Object.values(type.getFields()).map((field) => [`${type.name}.${field.name}`, field.description])
  if (!isObjectType(type) && !isInterfaceType(type)) return []
  return Object.values(type.getFields()).flatMap((field) => [
    [`${type.name}.${field.name}`, field.description] as [string, string | null | undefined],
    ...field.args.map((arg): [string, string | null | undefined] => [
      `${type.name}.${field.name}(${arg.name})`,
      arg.description,
    ]),
  ])
}

describe('the schema', () => {
  it('is what schema.graphql at the root of the project holds', () => {
    expect(readFileSync(PRINTED, 'utf8')).toBe(printedSchema())
  })

  it('says of everything what it is', () => {
    const all = own().flatMap((type) => [[type.name, type.description] as const, ...members(type)])
    expect(all.filter(([, description]) => !description?.trim()).map(([name]) => name)).toEqual([])
    expect(all.length).toBeGreaterThan(250)
  })

  it('takes exactly one source', () => {
    for (const name of ['FetchSourceInput', 'ComputeSourceInput']) {
      const type = schema.getType(name)
      expect(isInputObjectType(type) && type.isOneOf).toBe(true)
    }
  })
})

describe('the examples', () => {
  it.each(EXAMPLES.map(({ query }) => [/(query|mutation|subscription) (\w+)/.exec(query)?.[2], query] as const))(
    '%s is an operation of the schema',
    (name, query) => {
      expect(name).toBeDefined()
      expect(validate(schema, parse(query))).toEqual([])
    },
  )

  it('show every field of Query, Mutation and Subscription', () => {
    const shown = EXAMPLES.map(({ query }) => query).join('\n')
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
    const fields = roots.flatMap((root) => Object.keys(root?.getFields() ?? {}))
    const left = fields.filter((field) => !new RegExp(`^  ${field}\\b`, 'm').test(shown))
    // Of a list of ids there is little to show beyond one.
    expect(left).toEqual(['nodes'])
  })
})
