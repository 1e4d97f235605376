/** GraphQL over WebSocket, in the graphql-transport-ws protocol, on the operations that HTTP has. */

import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ExecutionArgs, GraphQLError } from 'graphql'
import { handleProtocols, makeServer, type Server } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Identity } from '../domain/access.js'
import { type ErrorPolicy, rateLimited, toPublicError, toPublicResult } from '../graphql/errors.js'
import type { Access } from './access.js'
import { MAX_BODY_BYTES } from './body.js'
import { connectSocket } from './connected-socket.js'
import { type Operations, PING_MS, type Transported } from './operations.js'

export interface WebSocketHandler {
  /** Takes over the connection of an upgrade request. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Tells every client that the server goes away, and resolves when they have gone; `terminate` cuts those that stay. */
  close(): Promise<void>
  terminate(): void
}

/** How an operation is executed once it is known: Yoga's way, with its masking of errors. */
interface Executors {
  execute: (args: ExecutionArgs) => unknown
  subscribe: (args: ExecutionArgs) => unknown
}

export interface WebSocketOptions {
  operations: Operations
  policy: ErrorPolicy
  access: Pick<Access, 'identify' | 'countRequest'>
  /** A client that has not answered a ping by the next one is gone. Default: PING_MS. */
  pingMs?: number
}

/** What is kept of a connection. */
type Extra = {
  socket: WebSocket
  request: IncomingMessage
  /** Whose it is, once that is known. */
  identity?: Identity
}

/** The server, or the page, is going. */
const GOING_AWAY = 1001

export function createWebSocketHandler(options: WebSocketOptions): WebSocketHandler {
  const { policy, pingMs = PING_MS } = options
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_BODY_BYTES, handleProtocols })
  const server = createProtocolServer(options)
  return {
    upgrade(request, duplex, head) {
      sockets.handleUpgrade(request, duplex, head, (socket) => {
        connectSocket(server, socket, { extra: { socket, request }, pingMs, log: policy.log })
      })
    },
    async close() {
      for (const client of sockets.clients) client.close(GOING_AWAY, 'Going away')
      await new Promise<void>((resolve) => sockets.close(() => resolve()))
    },
    terminate() {
      for (const client of sockets.clients) client.terminate()
    },
  }
}

function createProtocolServer({ operations, policy, access }: WebSocketOptions): Server<Extra> {
  return makeServer<Record<string, unknown>, Extra>({
    onConnect: async ({ connectionParams, extra }) => {
      const { headers, socket } = extra.request
      const identity = await access.identify(tokenOf(connectionParams) ?? headers.authorization, socket.remoteAddress)
      // False is told by closing the connection: 4403.
      if (identity === null) return false
      extra.identity = identity
      return true
    },
    execute: (args) => (args.rootValue as Executors).execute(args) as never,
    subscribe: (args) => (args.rootValue as Executors).subscribe(args) as never,
    onSubscribe: async ({ extra }, _id, payload) => {
      try {
        const { identity, socket } = extra
        if (identity === undefined) throw new Error('an operation came before its connection was let in')
        const refusal = await access.countRequest(identity)
        if (refusal !== null) return [rateLimited(refusal.message, refusal.retryAfterMs ?? null)]
        return await prepare(operations, payload, { identity, leaves: () => closeOf(socket) })
      } catch (error) {
        return [error as GraphQLError]
      }
    },
    onNext: (_context, _id, _payload, _args, result) => toPublicResult(result, policy),
    onError: (_context, _id, _payload, errors) => errors.map((error) => toPublicError(error, policy)),
  })
}

/** As the protocol has it: the header that a browser cannot set on a WebSocket. */
function tokenOf(params: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const { authorization } = params ?? {}
  return typeof authorization === 'string' ? authorization : undefined
}

/** Parses and validates as HTTP does; what the client did wrong comes back as errors. */
async function prepare(
  operations: Operations,
  params: {
    query: string
    operationName?: string | null | undefined
    variables?: Record<string, unknown> | null | undefined
  },
  transported: Transported,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { schema, parse, validate, contextFactory, execute, subscribe } = operations.getEnveloped({
    params,
    ...transported,
  })
  const document = readDocument(
    () => parse(params.query),
    (document) => validate(schema, document) as readonly GraphQLError[],
  )
  if (Array.isArray(document)) return document
  return {
    schema,
    document,
    operationName: params.operationName ?? null,
    variableValues: params.variables ?? null,
    contextValue: await contextFactory(),
    rootValue: { execute, subscribe } satisfies Executors,
  }
}

/** One for all operations of a connection: it lives longer than they do, and has one listener however many there are. */
const closes = new WeakMap<WebSocket, AbortSignal>()

/** Aborted when the connection is closed. */
function closeOf(socket: WebSocket): AbortSignal {
  const known = closes.get(socket)
  if (known) return known
  const gone = new AbortController()
  // Each plan under way listens to it, and removes its listener at the end.
  setMaxListeners(0, gone.signal)
  closes.set(socket, gone.signal)
  if (socket.readyState === socket.OPEN) socket.once('close', () => gone.abort())
  else gone.abort()
  return gone.signal
}

/** The document, or what is wrong with it: what is thrown on the way is told like what is found. */
function readDocument<Document>(
  parse: () => Document,
  validate: (document: Document) => readonly GraphQLError[],
): Document | readonly GraphQLError[] {
  try {
    const document = parse()
    const errors = validate(document)
    return errors.length > 0 ? errors : document
  } catch (error) {
    return [error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })]
  }
}
