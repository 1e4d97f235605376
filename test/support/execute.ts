import { graphql } from 'graphql'
import { type ApiServices, createContext } from '../../src/graphql/context.js'
import { schema } from '../../src/graphql/schema.js'

export interface Executed<Data> {
  /** As the test describes it; null in place of it where the operation failed whole. */
  data: Data
  /** The codes of its errors. */
  codes: unknown[]
  messages: string[]
}

/** Executes a query or mutation without a transport. */
export async function execute<Data = Record<string, unknown>>(
  services: ApiServices,
  source: string,
  variableValues: Record<string, unknown> = {},
): Promise<Executed<Data>> {
  const { data, errors } = await graphql({ schema, source, variableValues, contextValue: createContext(services) })
  return {
    data: JSON.parse(JSON.stringify(data ?? null)) as Data,
    codes: (errors ?? []).map(({ extensions }) => extensions.code),
    messages: (errors ?? []).map(({ message }) => message),
  }
}
