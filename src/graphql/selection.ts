/** What an operation asks of a field: to spare the work that nobody asked for. */

import { type GraphQLResolveInfo, Kind, type SelectionNode, type SelectionSetNode } from 'graphql'

/** Whether each field asked for is one of `names`; fields that @skip or @include may leave out count as asked for. */
export function asksOnly(info: GraphQLResolveInfo, names: ReadonlySet<string>): boolean {
  const within = (set: SelectionSetNode | undefined): boolean => (set?.selections ?? []).every(covered)
  const covered = (selection: SelectionNode): boolean => {
    if (selection.kind === Kind.FIELD) return selection.name.value === '__typename' || names.has(selection.name.value)
    if (selection.kind === Kind.INLINE_FRAGMENT) return within(selection.selectionSet)
    return within(info.fragments[selection.name.value]?.selectionSet)
  }
  return info.fieldNodes.every((node) => within(node.selectionSet))
}
