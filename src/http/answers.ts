/** The plain answers of the server: one form for all that is JSON, errors as GraphQL has them. */

import type { ServerResponse } from 'node:http'
import type { ApiErrorCode } from '../graphql/errors.js'

export interface PlainError {
  code: ApiErrorCode
  message: string
  /** When it may be tried again, in milliseconds from now. */
  retryAfterMs?: number
}

export function answerJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  // A HEAD request's answer has the headers alone: Node leaves the body out by itself.
  res.end(text)
}

export function answerError(res: ServerResponse, status: number, { message, ...extensions }: PlainError): void {
  const { retryAfterMs } = extensions
  if (retryAfterMs !== undefined) res.setHeader('retry-after', Math.ceil(retryAfterMs / 1000))
  answerJson(res, status, { errors: [{ message, extensions }] })
}
