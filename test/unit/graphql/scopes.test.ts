import {
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  graphql,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isScalarType,
  parse,
  subscribe,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { Scope } from '../../../src/domain/access.js'
import { createContext } from '../../../src/graphql/context.js'
import { forbiddenFields } from '../../../src/graphql/operation-scopes.js'
import { schema } from '../../../src/graphql/schema.js'
import { testServices } from '../../support/fake-services.js'

const OTHERS: Readonly<Record<string, Scope>> = { planBatch: 'launch', deleteRun: 'admin', pruneRuns: 'admin' }
const ROOTS = [
  ['query', schema.getQueryType(), 'read'],
  ['mutation', schema.getMutationType(), 'launch'],
  ['subscription', schema.getSubscriptionType(), 'read'],
] as const
const FIELDS = ROOTS.flatMap(([operation, type, scope]) =>
  Object.keys(type?.getFields() ?? {}).map((name) => [operation, name, OTHERS[name] ?? scope] as const),
)

/** Some value that the type takes. */
function literal(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literal(type.ofType)
  if (isListType(type)) return `[${literal(type.ofType)}]`
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields())
    const chosen = type.isOneOf
      ? fields.filter((field) => getNamedType(field.type).name !== 'Upload').slice(0, 1)
      : fields.filter((field) => isNonNullType(field.type))
    return `{ ${chosen.map((field) => `${field.name}: ${literal(field.type)}`).join(' ')} }`
  }
  if (isScalarType(type)) return { Int: '1', Float: '1', DateTime: '"2026-01-01T00:00:00Z"' }[type.name] ?? '"x"'
  return type.getValues()[0]?.name ?? ''
}

function documentOf(operation: string, name: string): string {
  const root = ROOTS.find(([kind]) => kind === operation)?.[1] as GraphQLObjectType
  const field = root.getFields()[name]!
  const required = field.args.filter((arg) => isNonNullType(arg.type))
  const args = required.length === 0 ? '' : `(${required.map((arg) => `${arg.name}: ${literal(arg.type)}`).join(' ')})`
  return `${operation} { ${name}${args} ${isLeafType(getNamedType(field.type)) ? '' : '{ __typename }'} }`
}

/** Whether a token with these scopes is told that it does not open the field. */
async function isForbidden(operation: string, name: string, scopes: readonly Scope[]): Promise<boolean> {
  const identity = { space: 'x', scopes: new Set(scopes) }
  const caller = { identity, isSafe: false, transport: 'SSE' as const, leaves: () => new AbortController().signal }
  const contextValue = createContext(testServices(), caller)
  const source = documentOf(operation, name)
  const result =
    operation === 'subscription'
      ? await subscribe({ schema, document: parse(source), contextValue })
      : await graphql({ schema, source, contextValue })
  if (Symbol.asyncIterator in result) {
    await result.return(undefined)
    return false
  }
  return (result.errors ?? []).some(
    ({ message, extensions }) => extensions.code === 'FORBIDDEN' && message.includes(`.${name}`),
  )
}

describe('each field of a root type', () => {
  it.each(FIELDS)('%s %s is told before anything is executed, too', (operation, name, scope) => {
    const document = parse(documentOf(operation, name))
    const messages = (scopes: Scope[]) =>
      forbiddenFields({ document, operationName: null }, new Set(scopes)).map(({ message }) => message)
    const root = `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`
    expect(messages([scope])).toEqual([])
    expect(messages([])).toEqual([`The token does not open ${root}.${name}`])
  })

  it.each(FIELDS)('%s %s is opened by %s, and by no other scope', async (operation, name, scope) => {
    const others = Object.values(Scope).filter((other) => other !== scope)
    expect(await isForbidden(operation, name, [scope])).toBe(false)
    expect(await isForbidden(operation, name, others)).toBe(true)
    expect(await isForbidden(operation, name, [])).toBe(true)
  })
})

describe('what a mutation answers with', () => {
  /** Fields that lead to a run, or to a part of one, from any payload; and what of them a token may see that may launch alone. */
  const OPEN: Readonly<Record<string, readonly string[]>> = {
    Run: [
      'id kind status name labels priority strategy effectiveStrategy concurrency lanes function',
      'progress timings budget stages createdAt startedAt finishedAt',
    ],
    Stage: ['index kind name effectiveStrategy concurrency lanes progress timings'],
    Comparison: ['id name status strategies rounds runs rows verdict createdAt'],
  }

  it.each(Object.keys(OPEN))('shows of a %s to launchers how it is, and to readers all', (typeName) => {
    const type = schema.getType(typeName) as GraphQLObjectType
    const open = Object.keys(type.getFields()).filter((name) => {
      const { args, type: fieldType } = type.getFields()[name]!
      const required = args.filter((arg) => isNonNullType(arg.type)).map((arg) => `${arg.name}: ${literal(arg.type)}`)
      const field = `${name}${required.length ? `(${required.join(' ')})` : ''}`
      const below = isLeafType(getNamedType(fieldType)) ? '' : '{ __typename }'
      const document = parse(`mutation { cancelRun(id: "x") { ...A } } fragment A on ${typeName} { ${field} ${below} }`)
      expect(forbiddenFields({ document, operationName: null }, new Set(['launch', 'read']))).toEqual([])
      return forbiddenFields({ document, operationName: null }, new Set(['launch'])).length === 0
    })
    expect(open.toSorted()).toEqual(OPEN[typeName]?.join(' ').split(' ').toSorted())
  })

  it('counts in the operation that is executed alone, and in its fragments once', () => {
    const document = parse(`
      query Read { runs { ...Page } }
      mutation Launch { cancelRun(id: "x") { run { id } ...Again ...Again } }
      fragment Again on RunPayload { run { request } ...Again }
      fragment Page on RunsConnection { totalCount }
    `)
    const errors = (operationName: string) => forbiddenFields({ document, operationName }, new Set(['launch']))
    expect(errors('Launch').map(({ message }) => message)).toEqual(['The token does not open Run.request'])
    expect(errors('Read').map(({ message }) => message)).toEqual(['The token does not open Query.runs'])
    expect(errors('Other')).toEqual([])
  })
})
