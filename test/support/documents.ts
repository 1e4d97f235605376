/** Documents that ask for everything that the schema has. */

import {
  buildClientSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isLeafType,
  isObjectType,
} from 'graphql'
import type { ApiClient } from './api.js'

export async function schemaOf(api: ApiClient): Promise<GraphQLSchema> {
  return buildClientSchema(await api.ask<IntrospectionQuery>(getIntrospectionQuery()))
}

/** What is asked for in place of a field, by `Type.field`: its arguments, or all of it where it would go round in circles. */
export type Overrides = Readonly<Record<string, string | { args: string }>>

/** Every field of a type, and of what those lead to; a field with an override of '' is left out. */
export function everythingOf(schema: GraphQLSchema, typeName: string, overrides: Overrides): string {
  const type = schema.getType(typeName)
  if (!isObjectType(type)) throw new Error(`${typeName} is no object type`)
  const fields = Object.values(type.getFields()).map((field) => {
    const override = overrides[`${typeName}.${field.name}`]
    if (typeof override === 'string') return override
    const named = getNamedType(field.type)
    const call = `${field.name}${override?.args ?? ''}`
    return isLeafType(named) ? call : `${call} { ${everythingOf(schema, named.name, overrides)} }`
  })
  return fields.filter(Boolean).join(' ')
}
