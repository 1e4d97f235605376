/** The plain answers of the server: one form for all that is JSON, errors as GraphQL has them. */

import type { ServerResponse } from 'node:http'
import type { ApiErrorCode } from '../graphql/errors.js'

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

export function answerError(
  res: ServerResponse,
  status: number,
  { code, message }: { code: ApiErrorCode; message: string },
): void {
  answerJson(res, status, { errors: [{ message, extensions: { code } }] })
}
