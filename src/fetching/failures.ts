/** Which TaskError an error of the network, of TLS or of the HTTP parser is. */

import { errors } from 'undici'
import { TaskFailure } from '../domain/errors.js'

/** How far a request had come when its connection failed. */
export const Stage = {
  /** There was no connection yet. */
  CONNECTING: 'CONNECTING',
  /** The request went out, the answer's headers were not complete. */
  WAITING: 'WAITING',
  /** Within the answer's body. */
  RECEIVING: 'RECEIVING',
} as const
export type Stage = (typeof Stage)[keyof typeof Stage]

/** Codes that mean that nobody takes the connection. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  EHOSTUNREACH: 'the host cannot be reached',
  EHOSTDOWN: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network cannot be reached',
  EADDRNOTAVAIL: 'the address cannot be reached',
  EINVAL: 'the address cannot be reached',
  EACCES: 'the connection is not permitted',
  EPERM: 'the connection is not permitted',
  EMFILE: 'too many open connections',
  ENFILE: 'too many open connections',
}
const TIMED_OUT: ReadonlySet<string> = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'])
const INVALID: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
])
/** Of a body that was cut off; within the headers undici says the same of whatever is wrong with them. */
const LENGTH_MISMATCH = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
// A peer that goes without a goodbye has cut the connection: that is nothing of TLS.
const TLS_CODE = /^(EPROTO$|ERR_SSL_(?!UNEXPECTED_EOF)|ERR_TLS_)/

/**
 * Messages say what happened and leave out what differs from task to task: tasks that failed alike are grouped by
 * them.
 */
export function toFailure(error: unknown, stage: Stage): TaskFailure {
  if (error instanceof TaskFailure) return error
  const code = codeOf(error)
  if (TIMED_OUT.has(code)) return new TaskFailure('TIMEOUT', 'the connection timed out')
  if (INVALID.has(code)) return new TaskFailure('INVALID_INPUT', `the request cannot be sent: ${messageOf(error)}`)
  const unreachable = UNREACHABLE[code]
  if (unreachable !== undefined) return new TaskFailure('CONNECTION_REFUSED', `${unreachable} (${code})`)
  if (TLS_CODE.test(code)) return tlsFailure(code)
  if (isMalformed(error, code, stage)) {
    return malformedAnswer(messageOf(error))
  }
  return stage === Stage.RECEIVING
    ? new TaskFailure('BODY_TRUNCATED', 'the connection ended within the body')
    : new TaskFailure('CONNECTION_RESET', 'the connection ended before the answer')
}

export function malformedAnswer(reason: string): TaskFailure {
  return new TaskFailure('DECODING', `the answer is not valid HTTP (${reason})`)
}

/** Whatever ended a handshake and is not the network's: a certificate, a protocol, an alert. */
export function handshakeFailure(error: unknown): TaskFailure {
  const failure = toFailure(error, Stage.CONNECTING)
  const code = codeOf(error)
  return failure.code === 'CONNECTION_RESET' && !NETWORK_END.has(code) ? tlsFailure(code || messageOf(error)) : failure
}
const NETWORK_END: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export function lookupFailure(error: unknown): TaskFailure {
  if (error instanceof TaskFailure) return error
  return new TaskFailure('DNS', `the name could not be resolved (${codeOf(error) || messageOf(error)})`)
}

function tlsFailure(reason: string): TaskFailure {
  return new TaskFailure('TLS', `no secure connection (${reason})`)
}

function isMalformed(error: unknown, code: string, stage: Stage): boolean {
  if (code === LENGTH_MISMATCH) return stage !== Stage.RECEIVING
  // An assertion of undici's that does not hold: it is about what has come in.
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'ERR_ASSERTION') return true
  // Two things have no code of their own. The parser's word for an end that comes too early …
  if (error instanceof errors.HTTPParserError) return !/invalid eof state/i.test(messageOf(error))
  // … and undici's for an answer that switches protocols, or that nobody asked for.
  return code === 'UND_ERR_SOCKET' && /^bad /.test(messageOf(error))
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
