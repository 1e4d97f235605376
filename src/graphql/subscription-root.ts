/** One rule of validation more than graphql-js 16 has. */

import {
  type ASTVisitor,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql'

const CONDITIONS: ReadonlySet<string> = new Set(['skip', 'include'])

/**
 * The one root field of a subscription may not depend on @skip or @include, as GraphQL's specification has it since 2025
 * (section 5.2.4.1): with it left out there is nothing to subscribe to, which graphql-js takes for a fault of the server.
 */
export function UnconditionalSubscriptionRule(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation) {
      if (operation.operation !== 'subscription') return
      for (const selection of rootSelections(operation.selectionSet, context)) {
        const condition = selection.directives?.find(({ name }) => CONDITIONS.has(name.value))
        if (condition === undefined) continue
        const message = `A subscription's root field may not depend on @${condition.name.value}`
        context.reportError(new GraphQLError(message, { nodes: condition }))
      }
    },
  }
}

/** What stands at the root, those of fragments too. */
function rootSelections(root: SelectionSetNode, context: ValidationContext): readonly SelectionNode[] {
  const found: SelectionNode[] = []
  const seen = new Set<FragmentDefinitionNode>()
  const waiting: SelectionSetNode[] = [root]
  for (let set = waiting.pop(); set !== undefined; set = waiting.pop()) {
    for (const selection of set.selections) {
      found.push(selection)
      if (selection.kind === Kind.INLINE_FRAGMENT) waiting.push(selection.selectionSet)
      if (selection.kind !== Kind.FRAGMENT_SPREAD) continue
      const fragment = context.getFragment(selection.name.value)
      if (!fragment || seen.has(fragment)) continue
      seen.add(fragment)
      waiting.push(fragment.selectionSet)
    }
  }
  return found
}
