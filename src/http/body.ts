/** Reading the request of an operation: only JSON, or files with it, and only so much of it. */

import type { IncomingMessage } from 'node:http'
import type { GraphQLParams, Plugin } from 'graphql-yoga'
import { Gathering } from '../files/gathering.js'
import { apiError } from '../graphql/errors.js'
import { isMultipart, type MultipartRequests } from './multipart.js'

/** Of a request's body, and of a WebSocket message. */
export const MAX_BODY_BYTES = 5 * 1024 * 1024

/**
 * What a page of another origin can send without the browser asking first is not among these: plain text launches
 * nothing, and of forms the server looks at where they come from.
 */
const MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/graphql-response+json',
  'application/graphql+json',
])

/** What an answer can be sent as. */
const ANSWER_TYPES = ['application/json', 'application/graphql-response+json', 'text/event-stream', 'multipart/mixed']

interface NodeContext {
  req?: IncomingMessage
}

/** Takes the place of Yoga's own parsers, which know neither limit nor refusal, and would hold files in memory. */
export function useBoundedBody(maxBytes: number, multipart: MultipartRequests | null): Plugin<object, NodeContext> {
  return {
    onRequestParse({ request, serverContext, requestParser, setRequestParser }) {
      if (request.method === 'POST') {
        const { req } = serverContext
        setRequestParser(async () => {
          requireAcceptance(request.headers.get('accept'))
          const contentType = request.headers.get('content-type')
          if (req && multipart && isMultipart(contentType)) return multipart.read(req)
          requireJson(contentType)
          return parseParams(await (req ? readBody(req, maxBytes) : request.text()))
        })
      } else if (requestParser) {
        setRequestParser(async (read) => {
          try {
            return await requestParser(read)
          } catch {
            throw apiError('BAD_USER_INPUT', 'variables and extensions of a GET request must be JSON', 400)
          }
        })
      }
    },
    async onResponse({ serverContext: { req } = {} }) {
      if (req) await multipart?.close(req)
    },
  }
}

/** Yoga looks at what a client accepts when it has an answer: a launch would be made, and its sender would not hear of it. */
function requireAcceptance(accept: string | null): void {
  const ranges = (accept || '*/*').toLowerCase().replace(/\s/g, '').split(',')
  if (ranges.some((range) => ANSWER_TYPES.some((type) => isInRange(type, range)))) return
  throw apiError('BAD_USER_INPUT', `Accept ${JSON.stringify(accept)}: expected one of ${ANSWER_TYPES.join(', ')}`, 406)
}

function isInRange(type: string, range: string): boolean {
  const [pattern, ...parameters] = range.split(';')
  const charset = parameters.find((parameter) => parameter.includes('charset=')) ?? 'charset=utf-8'
  const [group] = type.split('/')
  return charset === 'charset=utf-8' && [type, `${group}/*`, '*/*'].includes(pattern!)
}

function requireJson(contentType: string | null): void {
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (MEDIA_TYPES.has(mediaType)) return
  throw apiError(
    'BAD_USER_INPUT',
    `Content-Type ${JSON.stringify(mediaType)}: expected application/json, or multipart/form-data with files`,
    415,
  )
}

function parseParams(text: string): GraphQLParams {
  let params: unknown
  try {
    params = JSON.parse(text)
  } catch {
    throw apiError('BAD_USER_INPUT', 'The body is no JSON', 400)
  }
  if (typeof params === 'object' && params !== null && !Array.isArray(params)) return params
  const found = Array.isArray(params) ? 'an array' : JSON.stringify(params).slice(0, 40)
  throw apiError('BAD_USER_INPUT', `The body is ${found}: expected one JSON object with a query`, 400)
}

/** The whole body as text. What is too large is let run off unread, so that its sender gets to see the answer. */
function readBody(req: IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const gathered = new Gathering()
    const refuse = () => {
      req.off('data', take)
      req.resume()
      reject(apiError('BAD_USER_INPUT', `The body is larger than ${maxBytes} bytes`, 413))
    }
    const take = (chunk: Buffer) => {
      if (gathered.bytes + chunk.length > maxBytes) refuse()
      else gathered.add(chunk)
    }
    if (Number(req.headers['content-length'] ?? 0) > maxBytes) return refuse()
    req.on('data', take)
    req.once('end', () => resolve(gathered.take().toString()))
    // Its sender has gone, and is nobody's fault here.
    req.once('error', () => reject(apiError('BAD_USER_INPUT', 'The body has no end', 400)))
  })
}
