import { graphql } from 'graphql'
import { type ApiServices, createContext } from '../../src/graphql/context.js'
import { schema } from '../../src/graphql/schema.js'

export interface Executed {
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test says of it.
  data: any
  /** The codes of its errors. */
  codes: unknown[]
  messages: string[]
}

/** Executes a query or mutation without a transport. */
export async function execute(
  services: ApiServices,
  source: string,
  variableValues: Record<string, unknown> = {},
): Promise<Executed> {
  const { data, errors } = await graphql({ schema, source, variableValues, contextValue: createContext(services) })
  return {
    data: JSON.parse(JSON.stringify(data ?? null)),
    codes: (errors ?? []).map(({ extensions }) => extensions.code),
    messages: (errors ?? []).map(({ message }) => message),
  }
}
