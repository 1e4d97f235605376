/** What an operation costs, before it is executed: each field says where it is described what it adds (see cost.ts). */

import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  GraphQLError,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  type VariableDefinitionNode,
} from 'graphql'
import { type Chosen, chosenOperation } from './chosen-operation.js'
import { costLimit } from './errors.js'
import { schema } from './schema.js'

export const MAX_COST = 100_000
/** Of variables: the rest of a list of bad ones says nothing new. */
const MAX_VARIABLE_ERRORS = 10

/** What is told of an operation in `extensions.cost`. */
export interface OperationCost {
  requested: number
  limit: number
}

export interface Operation extends Chosen {
  variables: Readonly<Record<string, unknown>>
}

/**
 * The cost of the operation that would be executed, with the pages that its variables ask for; or why it is not executed at
 * all. Null where the document has no such operation: execution says so.
 */
export function operationCost(asked: Operation): OperationCost | readonly GraphQLError[] | null {
  const operation = chosenOperation(asked)
  if (operation === null) return null
  const definitions = operation.variableDefinitions ?? []
  const { coerced, errors } = getVariableValues(pricedSchema, definitions.map(sizing), asked.variables, {
    maxErrors: MAX_VARIABLE_ERRORS,
  })
  if (errors) return errors
  // The plugin would look at them once more.
  const priced = { ...operation, variableDefinitions: definitions.map(anything) }
  try {
    return withinLimit(complexityOf(priced, { document: asked.document, variables: coerced }))
  } catch (error) {
    // An argument whose variable is null where that cannot be: so the field itself would fail.
    if (error instanceof GraphQLError) return [error]
    throw error
  }
}

/** What a variable may be that no size depends on. */
const ANYTHING = new GraphQLScalarType({ name: 'Anything' })
/** The types that sizes are given in, and ids. */
const SIZING_TYPES: ReadonlySet<string> = new Set(['Int', 'ID'])

/**
 * Only these are looked at, as it takes long to look at ten thousand items of a batch. The others are anything here: execution
 * finds what is wrong with them, before it executes anything.
 */
function sizing(definition: VariableDefinitionNode): VariableDefinitionNode {
  let { type } = definition
  while (type.kind !== Kind.NAMED_TYPE) type = type.type
  return SIZING_TYPES.has(type.name.value) ? definition : anything(definition)
}

function anything({ kind, variable }: VariableDefinitionNode): VariableDefinitionNode {
  return { kind, variable, type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: ANYTHING.name } } }
}

/** The plugin takes the first operation of a document. */
function complexityOf(
  operation: OperationDefinitionNode,
  { document, variables }: Omit<Operation, 'operationName'>,
): number {
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
  const one: DocumentNode = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] }
  return complexityFromQuery(one, { schema: pricedSchema, variables }).complexity
}

function withinLimit(complexity: number): OperationCost | readonly GraphQLError[] {
  // As of aliases, there may be more than any number.
  const requested = Math.min(Math.ceil(complexity), Number.MAX_SAFE_INTEGER)
  if (requested <= MAX_COST) return { requested, limit: MAX_COST }
  const figure = requested.toLocaleString('en')
  return [costLimit(`The operation costs ${figure}`, requested, MAX_COST)]
}

/**
 * The schema with introspection among the fields of Query: the plugin prices what a type lists, and these two it would take
 * for values, whatever is asked for in them.
 */
const pricedSchema = pricing(schema)

function pricing(priced: GraphQLSchema): GraphQLSchema {
  const { query, types, ...config } = priced.toConfig()
  if (!query) throw new Error('A schema without queries has nothing to price')
  const { fields, ...own } = query.toConfig()
  const introspection = new GraphQLObjectType({
    name: own.name,
    fields: {
      ...fields,
      __schema: { type: SchemaMetaFieldDef.type },
      __type: { type: TypeMetaFieldDef.type, args: { name: { type: TypeMetaFieldDef.args[0]!.type } } },
    },
  })
  return new GraphQLSchema({
    ...config,
    query: introspection,
    types: [...types.filter((type) => type !== query), ANYTHING],
  })
}
