/**
 * Whether a token opens all that an operation asks for, told before any of it is executed: a mutation whose second field was
 * refused would have changed something, and lost its answer. Fields say where they are described what they take (see builder.ts),
 * and their resolvers are held to it too.
 */

import { type DefinitionNode, type GraphQLError, Kind, TypeInfo, visit, visitWithTypeInfo } from 'graphql'
import type { Scope } from '../domain/access.js'
import { type Chosen, chosenOperation } from './chosen-operation.js'
import { forbiddenField } from './errors.js'
import { schema } from './schema.js'

/** What Pothos keeps of how a type or a field was described. */
interface Described {
  extensions: { pothosOptions?: { authScopes?: { scope: Scope }; skipTypeScopes?: boolean } }
}

/** One error for each field of the operation that the scopes do not open; those that are left out by a directive count. */
export function forbiddenFields(asked: Chosen, scopes: ReadonlySet<Scope>): GraphQLError[] {
  const errors: GraphQLError[] = []
  const operation = chosenOperation(asked)
  if (operation === null) return errors
  const seen = new Set<string>()
  const waiting: DefinitionNode[] = [operation]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const types = new TypeInfo(schema)
    visit(
      part,
      visitWithTypeInfo(types, {
        Field(node) {
          const [type, field] = [types.getParentType(), types.getFieldDef()]
          // What the schema says of itself is for whoever is let in.
          if (!type || !field || field.name.startsWith('__')) return
          const missing = scopesOf(type, field).find((scope) => !scopes.has(scope))
          if (missing) errors.push(forbiddenField(`${type.name}.${field.name}`, node))
        },
        FragmentSpread({ name }) {
          if (seen.has(name.value)) return
          seen.add(name.value)
          const fragment = asked.document.definitions.find(
            (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name.value,
          )
          if (fragment) waiting.push(fragment)
        },
      }),
    )
  }
  return errors
}

function scopesOf(type: Described, field: Described): Scope[] {
  const { authScopes, skipTypeScopes } = field.extensions.pothosOptions ?? {}
  const ofType = skipTypeScopes ? undefined : type.extensions.pothosOptions?.authScopes
  return [ofType, authScopes].flatMap((scopes) => (scopes ? [scopes.scope] : []))
}
