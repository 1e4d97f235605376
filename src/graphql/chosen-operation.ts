/** Which operation of a document is executed. */

import { type DocumentNode, Kind, type OperationDefinitionNode } from 'graphql'

export interface Chosen {
  document: DocumentNode
  operationName: string | null | undefined
}

/** Null where there is none, or nothing says which of several: execution says so. */
export function chosenOperation({ document, operationName }: Chosen): OperationDefinitionNode | null {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const [first] = operations
  if (operationName != null) return operations.find(({ name }) => name?.value === operationName) ?? null
  return operations.length === 1 && first ? first : null
}
