/** Stored bodies as they are: /blobs/<sha256>, whole or a range of them, for programs and never for a browser to show. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, dirname } from 'node:path'
import send from 'send'
import { isSha256 } from '../domain/blob.js'
import type { StoredBody } from '../store/store.js'
import { answerError } from './answers.js'

export const BLOBS_PATH = '/blobs/'

/** What a page may make of it: nothing. It may come from anywhere, and say anything. */
const HEADERS = {
  'content-type': 'application/octet-stream',
  'content-disposition': 'attachment',
  'content-security-policy': "default-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  // It may be kept, and is asked about before it is used: a body that was deleted is gone.
  'cache-control': 'private, no-cache',
}

/** What went wrong, as `send` tells it. */
interface SendError {
  status?: number
  code?: string
}

/** The file of a body that a run holds; null where none does. */
export type FindBody = (sha256: string) => Promise<StoredBody | null>

export async function answerBlob(req: IncomingMessage, res: ServerResponse, find: FindBody): Promise<void> {
  const name = (req.url ?? '').split('?', 1)[0]?.slice(BLOBS_PATH.length) ?? ''
  const body = isSha256(name) ? await find(name) : null
  if (body === null) answerMissing(res)
  else await sendBody(req, res, { name, body })
}

function answerMissing(res: ServerResponse): void {
  answerError(res, 404, { code: 'NOT_FOUND', message: 'No run holds such a body: expected /blobs/ and its SHA-256' })
}

/** Resolves when the answer has ended, in whatever way. */
function sendBody(
  req: IncomingMessage,
  res: ServerResponse,
  { name, body }: { name: string; body: StoredBody },
): Promise<void> {
  for (const [header, value] of Object.entries(HEADERS)) res.setHeader(header, value)
  // The name says what it is: it never changes.
  res.setHeader('etag', `"${name}"`)
  // `send` takes it for a wish to have everything again; whoever names what it has wants to know whether it is the same.
  delete req.headers['cache-control']
  // It takes what has no date of a change for changed.
  delete req.headers['if-unmodified-since']
  if (asksForEnd(req.headers.range, body.bytes)) req.headers.range = 'bytes=0-'
  return new Promise((resolve, reject) => {
    res.once('close', resolve)
    const stream = send(req, basename(body.path), {
      root: dirname(body.path),
      cacheControl: false,
      etag: false,
      lastModified: false,
      index: false,
    })
    stream.on('error', (error: SendError) => answerFailure(res, { error, bytes: body.bytes, reject }))
    stream.pipe(res)
  })
}

/** Whether the range is an end that is longer than the body: all of it is meant, and `send` would refuse it. */
function asksForEnd(range: string | undefined, bytes: number): boolean {
  const length = /^ *bytes *= *-(\d+) *$/.exec(range ?? '')?.[1]
  return length !== undefined && Number(length) > bytes
}

function answerFailure(
  res: ServerResponse,
  { error, bytes, reject }: { error: SendError; bytes: number; reject(error: SendError): void },
): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  for (const header of Object.keys(HEADERS)) res.removeHeader(header)
  res.removeHeader('etag')
  if (error.status === 416) {
    res.setHeader('content-range', `bytes */${bytes}`)
    answerError(res, 416, { code: 'BAD_USER_INPUT', message: `The body has ${bytes} bytes: the range is none of it` })
  } else if (error.status === 412) {
    answerError(res, 412, { code: 'BAD_USER_INPUT', message: 'The body is not the one that If-Match names' })
  } else if (error.status === 404) answerMissing(res)
  else reject(error)
}
