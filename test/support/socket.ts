/** Subscriptions over WebSocket, with the client library that most clients use. */

import { type Client, createClient } from 'graphql-ws'
import WebSocket from 'ws'
import type { Answer, Variables } from './api.js'

export class SocketClient {
  readonly #client: Client

  constructor(url: string) {
    this.#client = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
  }

  /** As ApiClient.subscribe: errors are thrown; ends with the stream, and ends the stream where the consumer stops. */
  async *subscribe<Data>(query: string, variables: Variables = {}): AsyncGenerator<Data, 'complete'> {
    for await (const answer of this.#client.iterate<Data>({ query, variables })) {
      const { data, errors } = answer as Answer<Data>
      if (errors || !data) throw new Error(JSON.stringify(errors))
      yield data
    }
    return 'complete'
  }

  async close(): Promise<void> {
    await this.#client.dispose()
  }
}
