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
  const caller = { identity, isSafe: false, leaves: () => new AbortController().signal }
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
  it.each(FIELDS)('%s %s is opened by %s, and by no other scope', async (operation, name, scope) => {
    const others = Object.values(Scope).filter((other) => other !== scope)
    expect(await isForbidden(operation, name, [scope])).toBe(false)
    expect(await isForbidden(operation, name, others)).toBe(true)
    expect(await isForbidden(operation, name, [])).toBe(true)
  })
})
