/**
 * Top-level errors: what a client did wrong with its document, its variables or a cursor, what it may not ask for, what a
 * subscription asked for and is not there, and faults of the server. What a caller of a mutation can mend is data: see UserError.
 */

import { randomUUID } from 'node:crypto'
import { type ASTNode, type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql'
import { StorageError, type StorageTroubleCode, TROUBLE_MESSAGES } from '../domain/storage.js'
import type { Log } from '../log.js'

/** The values of `extensions.code`. Stable: clients tell errors apart by them. */
export const ApiErrorCode = {
  BAD_USER_INPUT: 'BAD_USER_INPUT',
  NOT_FOUND: 'NOT_FOUND',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  FORBIDDEN: 'FORBIDDEN',
  COST_LIMIT: 'COST_LIMIT',
  RATE_LIMITED: 'RATE_LIMITED',
  STORAGE_FULL: 'STORAGE_FULL',
  STORAGE_BUSY: 'STORAGE_BUSY',
  INTERNAL: 'INTERNAL',
} as const
export type ApiErrorCode = (typeof ApiErrorCode)[keyof typeof ApiErrorCode]

const CODES: ReadonlySet<unknown> = new Set(Object.values(ApiErrorCode))

/** What passes by itself, or when somebody has made room: how it is told, and how long a client had better wait. */
const STORAGE_ERRORS: Readonly<Partial<Record<StorageTroubleCode, { code: ApiErrorCode; retryAfterMs: number }>>> = {
  FULL: { code: 'STORAGE_FULL', retryAfterMs: 5_000 },
  BUSY: { code: 'STORAGE_BUSY', retryAfterMs: 1_000 },
}

/** What the transport makes of an error; it never reaches a client. */
interface HttpHint {
  status?: number
  spec?: boolean
  headers?: Record<string, string>
}

/** An error with a code of ours; `status` is of the HTTP answer, where no operation was executed. */
export function apiError(code: ApiErrorCode, message: string, status?: number): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...(status === undefined ? {} : { http: { status } }) } })
}

/** What the caller's token does not open. `nodes`: where the document asks for it. */
export function forbiddenField(name: string, nodes?: ASTNode): GraphQLError {
  const extensions = { code: ApiErrorCode.FORBIDDEN, http: { status: 403, spec: true } satisfies HttpHint }
  return new GraphQLError(`The token does not open ${name}`, { nodes: nodes ?? null, extensions })
}

/** The message names the value and what was expected. */
export function badUserInput(message: string): GraphQLError {
  return apiError('BAD_USER_INPUT', message)
}

export function notFound(message: string): GraphQLError {
  return apiError('NOT_FOUND', message)
}

/** As of documents that are not valid: 400, but for clients of application/json, who are to get 200. */
const REFUSED_DOCUMENT: HttpHint = { status: 400, spec: true }

/** A document, or an operation of one, that asks for more than anyone may; nothing of it is executed. */
export function costLimit(message: string, requested: number | null, limit: number): GraphQLError {
  const figures = requested === null ? { limit } : { requested, limit }
  const extensions = { code: ApiErrorCode.COST_LIMIT, ...figures, http: REFUSED_DOCUMENT }
  return new GraphQLError(`${message}: ${limit.toLocaleString('en')} at most`, { extensions })
}

/** `retryAfterMs`: when there is room again, in milliseconds from now; null where nobody knows. */
export function rateLimited(message: string, retryAfterMs: number | null): GraphQLError {
  const after = retryAfterMs === null ? null : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
  const http = { status: 429, ...(after && { headers: after }) }
  return new GraphQLError(message, { extensions: { code: 'RATE_LIMITED', retryAfterMs, http } })
}

export interface ErrorPolicy {
  log: Log
  /** Whether messages may say what names would have been right. */
  suggestions: boolean
}

/**
 * The error as a client may see it: with a code, and without what is the server's own business. Whatever is thrown
 * anywhere below the API ends here; to map an error twice changes nothing.
 */
export function toApiError(error: unknown, policy: ErrorPolicy): GraphQLError {
  return withShortMessage(mappedError(error, policy))
}

function mappedError(error: unknown, policy: ErrorPolicy): GraphQLError {
  const storage = storageError(error)
  if (storage !== null) return storage
  if (!(error instanceof GraphQLError)) return internalError(error, null, policy)
  if (CODES.has(error.extensions.code)) return policy.suggestions ? error : withoutSuggestion(error)
  if (!isClientsFault(error)) return internalError(rootOf(error), error, policy)
  const http = error.extensions.http as HttpHint | undefined
  const coded = copyOf(error, error.message, { code: 'BAD_USER_INPUT', ...(http ? { http } : {}) })
  return policy.suggestions ? coded : withoutSuggestion(coded)
}

/** Of one answer: a page of tasks may fail at each of them for the same reason. */
const MAX_ERRORS = 100

/** The first of the errors of an answer, mapped; with more, the last says how many are left out. */
export function toApiErrors(errors: readonly unknown[], policy: ErrorPolicy): readonly GraphQLError[] {
  const told = errors.slice(0, MAX_ERRORS).map((error) => toApiError(error, policy))
  const next = errors[MAX_ERRORS]
  if (next === undefined) return told
  const left = errors.length - MAX_ERRORS
  const last = toApiError(next, policy)
  return [...told, left === 1 ? last : copyOf(last, `${left} more errors are left out`, { ...last.extensions })]
}

/** What an execution ends in, or one event of a subscription. */
export interface Result {
  data?: unknown
  errors?: readonly unknown[] | undefined
  extensions?: unknown
}

/** The result as it is sent: errors mapped and made plain. */
export function toPublicResult(result: Result, policy: ErrorPolicy): FormattedExecutionResult {
  const { errors, ...rest } = result as FormattedExecutionResult
  if (errors === undefined || errors.length === 0) return rest
  return { ...rest, errors: toApiErrors(errors, policy).map((error) => toPublicError(error, policy)) }
}

/** An error as it is sent: mapped, and without the hints for HTTP. */
export function toPublicError(error: unknown, policy: ErrorPolicy): GraphQLFormattedError {
  const mapped = toApiError(error, policy)
  const { http: _http, ...extensions } = mapped.extensions
  return copyOf(mapped, mapped.message, extensions).toJSON()
}

/**
 * Errors of GraphQL itself: of syntax, validation, coercion and the request's form have no path; an argument that only
 * showed its fault in execution points into the document. An output that cannot be serialized does neither: a fault of ours.
 */
function isClientsFault(error: GraphQLError): boolean {
  const root = rootOf(error)
  if (!(root instanceof GraphQLError)) return false
  return error.path === undefined || root.nodes !== undefined
}

/** The error that was thrown first; those around it only add where that was. */
function rootOf(error: GraphQLError): unknown {
  let root: unknown = error
  while (root instanceof GraphQLError && root.originalError) root = root.originalError
  return root
}

/** Nothing was written, and the caller can say it again: null for every other error. The engine says it in the log, once. */
function storageError(error: unknown): GraphQLError | null {
  const root = error instanceof GraphQLError ? rootOf(error) : error
  if (!(root instanceof StorageError)) return null
  const told = STORAGE_ERRORS[root.code]
  if (told === undefined) return null
  const message = TROUBLE_MESSAGES[root.code]
  if (error instanceof GraphQLError) return copyOf(error, message, { ...told })
  return new GraphQLError(message, { extensions: { ...told, http: { status: 503 } } })
}

/** What is written to a connection that its client has closed: nobody is left to be told, and nothing is wrong here. */
const GONE: ReadonlySet<unknown> = new Set([
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ECONNRESET',
  'EPIPE',
])

function internalError(cause: unknown, located: GraphQLError | null, { log }: ErrorPolicy): GraphQLError {
  const errorId = randomUUID()
  const level = GONE.has((cause as { code?: unknown } | null)?.code) ? 'debug' : 'error'
  log[level]({ err: cause, errorId, path: located?.path?.join('.') }, 'internal error in the API')
  const extensions = { code: 'INTERNAL', errorId }
  if (located === null) {
    return new GraphQLError('Internal error', { extensions: { ...extensions, http: { status: 500 } } })
  }
  return copyOf(located, 'Internal error', extensions)
}

function copyOf(error: GraphQLError, message: string, extensions: Record<string, unknown>): GraphQLError {
  const { nodes, source, positions, path } = error
  const place = { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null }
  return new GraphQLError(message, { ...place, extensions })
}

function withoutSuggestion(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean [^?]*\?/g, '')
  return message === error.message ? error : copyOf(error, message, { ...error.extensions })
}

/** What is longer echoes what the client sent: a string of megabytes where a number is expected. */
const MAX_MESSAGE_LENGTH = 500
const LONG_STRING = /"[^"]{80,}"/g

function withShortMessage(error: GraphQLError): GraphQLError {
  if (error.message.length <= MAX_MESSAGE_LENGTH) return error
  const shorter = error.message.replace(LONG_STRING, (quoted) => `${quoted.slice(0, 60)}…"`)
  const message = shorter.length <= MAX_MESSAGE_LENGTH ? shorter : `${shorter.slice(0, MAX_MESSAGE_LENGTH - 1)}…`
  return copyOf(error, message, { ...error.extensions })
}
