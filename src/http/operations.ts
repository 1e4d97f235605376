/** The one implementation of the API behind every transport: what an operation passes through, in order. */

import { setMaxListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { execute, NoSchemaIntrospectionCustomRule, subscribe, type ValidationRule } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Clock } from '../clock.js'
import type { Identity } from '../domain/access.js'
import { type ApiContext, type ApiServices, type Caller, createContext } from '../graphql/context.js'
import { type ErrorPolicy, toApiError, toApiErrors } from '../graphql/errors.js'
import { schema } from '../graphql/schema.js'
import { UnconditionalSubscriptionRule } from '../graphql/subscription-root.js'
import { MAX_BODY_BYTES, useBoundedBody } from './body.js'
import { createDocumentCache, NO_CACHE } from './document-cache.js'
import { useEventStream } from './event-stream.js'
import { graphiqlOptions, renderGraphiql, useGraphiqlPolicy } from './graphiql.js'
import { useCostLimit, useDocumentLimits } from './limits.js'
import type { MultipartRequests } from './multipart.js'
import { useScopes } from './scopes.js'
import { limitedSubscribe } from './subscription-limit.js'

export const GRAPHQL_PATH = '/graphql'

/** Below the 12 s after which proxies and clients may wonder. */
export const PING_MS = 10_000

export interface OperationsOptions {
  services: ApiServices
  /** GraphiQL, introspection and suggestions. */
  introspection: boolean
  clock: Clock
  /** Aborted when the server shuts down. */
  closing: AbortSignal
  /** Subscriptions that one identity may have open; null for no limit. */
  maxSubscriptions: number | null
  /** Where files can be taken. */
  multipart?: MultipartRequests
}

/** What a transport tells of an operation: whose it is; HTTP its request and its response, WebSocket who leaves. */
export interface Transported {
  identity: Identity
  request?: Request
  res?: ServerResponse
  leaves?: Caller['leaves']
}

export type Operations = YogaServerInstance<Transported, ApiContext>

export function errorPolicy({ services, introspection }: OperationsOptions): ErrorPolicy {
  return { log: services.log, suggestions: introspection }
}

export function createOperations(options: OperationsOptions): Operations {
  const { services, introspection, clock, closing } = options
  const policy = errorPolicy(options)
  return createYoga<Transported, ApiContext>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    context: (initial) => createContext(services, callerOf(initial)),
    maskedErrors: { maskError: (error) => toApiError(error, policy), errorMessage: 'Internal error' },
    // Errors are logged where they are masked.
    logging: false,
    batching: false,
    parserAndValidationCache: { documentCache: createDocumentCache(), errorCache: NO_CACHE },
    multipart: false,
    cors: false,
    landingPage: false,
    graphiql: introspection ? graphiqlOptions : false,
    renderGraphiQL: renderGraphiql,
    plugins: [
      useBoundedBody(MAX_BODY_BYTES, options.multipart ?? null),
      useDocumentLimits(),
      useOrderedFields(options.maxSubscriptions === null ? subscribe : limitedSubscribe(options.maxSubscriptions)),
      useScopes(),
      useCostLimit(),
      useRule(UnconditionalSubscriptionRule),
      introspection ? useGraphiqlPolicy() : useRule(NoSchemaIntrospectionCustomRule),
      useErrorCodes(policy),
      useEventStream({ clock, policy, pingMs: PING_MS, closing }),
    ],
  })
}

function callerOf({ identity, request, res, leaves }: Transported): Caller {
  const isSafe = request !== undefined && request.method !== 'POST'
  // A document may ask for many plans: all wait for the same response.
  let gone: AbortSignal | null = null
  const leavesHttp = () => {
    gone ??= res ? closeOf(res) : new AbortController().signal
    return gone
  }
  return { identity, isSafe, transport: request ? 'SSE' : 'WEBSOCKET', leaves: leaves ?? leavesHttp }
}

/** Aborted when the connection of a response is closed before it has an answer. */
function closeOf(res: ServerResponse): AbortSignal {
  const gone = new AbortController()
  // Each plan under way listens to it, and removes its listener at the end.
  setMaxListeners(0, gone.signal)
  const look = () => {
    if (!res.writableFinished) gone.abort()
  }
  if (res.closed) look()
  else res.once('close', look)
  return gone.signal
}

/** Yoga's own executor answers with the fields in the order in which they were resolved, not in which they were asked for. */
function useOrderedFields(subscribeFn: typeof subscribe): Plugin {
  return {
    onExecute({ setExecuteFn }) {
      setExecuteFn(execute)
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(subscribeFn)
    },
  }
}

function useRule(rule: ValidationRule): Plugin {
  return {
    onValidate({ addValidationRule }) {
      addValidationRule(rule)
    },
  }
}

/** Errors that no operation was executed for, of syntax, validation and the request's form, get their codes here. */
function useErrorCodes(policy: ErrorPolicy): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      if (!('errors' in result) || !result.errors) return
      setResult({ ...result, errors: toApiErrors(result.errors, policy) })
    },
  }
}
