/** What the test origin answers at each path. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { brotliCompressSync, constants, createGzip, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'

/** One request, as a route sees it. */
export interface OriginExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  /** From 1: which request it is on its connection. */
  readonly turn: number
  /** From 1: which request for its URL it is, the query included. */
  readonly nth: number
  /** Resolves when the test releases the path. */
  released(): Promise<void>
}

export type Route = (exchange: OriginExchange) => void

export const ROUTES: Readonly<Record<string, Route>> = {
  '/ok': ({ response }) => send(response, 'ok'),
  /** ?i= a small document that depends on it alone; &ms= after so long. */
  '/json': ({ response, query }) => {
    const answer = () => send(response, jsonDocument(Number(query.get('i'))), 'application/json')
    if (!query.has('ms')) return answer()
    const timer = setTimeout(answer, Number(query.get('ms')))
    response.on('close', () => clearTimeout(timer))
  },
  /** ?n= so many letters; &chunked without a content-length. */
  '/bytes': ({ response, query }) => {
    const body = letters(Number(query.get('n')))
    if (query.has('chunked')) response.writeHead(200, { 'content-type': 'text/plain' }).end(body)
    else send(response, body)
  },
  /** ?hex= these bytes as &type= */
  '/raw': ({ response, query }) =>
    send(response, Buffer.from(query.get('hex') ?? '', 'hex'), query.get('type') ?? 'application/octet-stream'),
  /** What the request was, as JSON. */
  '/echo': (exchange) => void echo(exchange),
  /** ?code= &retryAfter= &location= &n= letters */
  '/status': sendStatus,
  /** ?fails= so many requests for the URL get &code= (503) and &retryAfter=, the others are answered. */
  '/flaky': (exchange) => {
    if (exchange.nth > Number(exchange.query.get('fails')))
      send(exchange.response, `answered at request ${exchange.nth}`)
    else sendStatus(exchange)
  },
  /** ?ms= */
  '/delay': ({ response, query }) => {
    const timer = setTimeout(() => send(response, 'late'), Number(query.get('ms')))
    response.on('close', () => clearTimeout(timer))
  },
  /** Nothing until the test releases it. */
  '/hold': ({ response, released }) => void released().then(() => send(response, 'released')),
  /** Half of the body; the rest when the test releases it. */
  '/hold-body': ({ response, released }) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 8 }).write('half')
    void released().then(() => response.end('rest'))
  },
  /** 200,000 letters, and as many when the test releases it. */
  '/hold-large': ({ response, released }) => {
    const half = letters(200_000)
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 400_000 }).write(half)
    void released().then(() => response.end(half))
  },

  /** ?to= &code= &n= letters of a body */
  '/redirect': ({ response, query }) => {
    // As bytes: a header may have any.
    const location = Buffer.from(query.get('to') ?? '/ok').toString('latin1')
    response.writeHead(Number(query.get('code') ?? 302), { location }).end(letters(Number(query.get('n') ?? 0)))
  },
  /** ?left= so many redirects to go, to /ok. */
  '/redirects': ({ response, query }) => {
    const left = Number(query.get('left'))
    response.writeHead(302, { location: left > 1 ? `/redirects?left=${left - 1}` : '/ok' }).end()
  },

  /** ?as=gzip,br in the order in which they go on; &n= letters. deflate-raw is told as deflate. */
  '/encoded': ({ response, query }) => sendEncoded(response, query, (body) => body),
  /** With a hole in it. */
  '/corrupt': ({ response, query }) => sendEncoded(response, query, corrupted),
  /** The first half of it, as if it were all. */
  '/unfinished': ({ response, query }) => sendEncoded(response, query, (body) => body.subarray(0, body.length / 2)),
  /** ?as= a name of a content-encoding, whatever the body is. */
  '/encoding': ({ response, query }) => {
    response.writeHead(200, { 'content-encoding': query.get('as') ?? '' }).end('plain')
  },
  /** Brotli, and then &padding= bytes that are none; without an end where there is no such number. */
  '/padded': ({ response, query }) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'br' })
    // In two turns: what comes at once is decoded at once.
    response.write(brotliCompressSync('content'), () => setImmediate(() => pad(response, query.get('padding'))))
  },
  /** gzip of zeros without an end. */
  '/bomb': ({ response }) => bomb(response),

  /** ?how=length, chunked, reset; &close where the answer says that the connection ends with it. */
  '/truncated': truncate,
  /** ?how=reset, end, headers: the connection is gone before the answer's headers are there. */
  '/gone': goAway,
  /** On a connection that has had an answer before, that is: as if it had been closed just now. */
  '/race': ({ request, response, turn }) => {
    if (turn > 1) request.socket.destroy()
    else send(response, 'won')
  },
  /** ?text= what is sent in place of an answer. */
  '/wire': ({ request, query }) => request.socket.end(query.get('text') ?? 'this is not HTTP\r\n\r\n', 'latin1'),
}

export function notFound({ response }: OriginExchange): void {
  response.writeHead(404, { 'content-type': 'text/plain' }).end('there is nothing here')
}

export function jsonDocument(i: number): string {
  return `{"id":${i},"name":"item-${i}","price":${(i * 37) % 1000}.5,"tags":["alpha","beta","gamma"]}`
}

/** The same for the same `n`, and not too easy to compress. */
export function letters(n: number): string {
  let text = ''
  for (let state = 1; text.length < n; state = (state * 48271) % 2147483647) text += state.toString(36)
  return text.slice(0, n)
}

function send(response: ServerResponse, body: string | Buffer, type = 'text/plain'): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

async function echo({ request, response }: OriginExchange): Promise<void> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const { method, url, headers, rawHeaders } = request
  const body = Buffer.concat(pieces).toString()
  send(response, JSON.stringify({ method, url, headers, rawHeaders, body }), 'application/json')
}

function sendStatus({ response, query }: OriginExchange): void {
  for (const [name, header] of Object.entries({ retryAfter: 'retry-after', location: 'location' })) {
    const value = query.get(name)
    if (value !== null) response.setHeader(header, value)
  }
  response.writeHead(Number(query.get('code') ?? 503))
  response.end(letters(Number(query.get('n') ?? 0)))
}

const ENCODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: (body) => gzipSync(body),
  deflate: (body) => deflateSync(body),
  'deflate-raw': (body) => deflateRawSync(body),
  br: (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
}

function sendEncoded(response: ServerResponse, query: URLSearchParams, spoil: (body: Buffer) => Buffer): void {
  const names = (query.get('as') ?? 'gzip').split(',')
  const content = Buffer.from(letters(Number(query.get('n') ?? 1000)))
  const body = names.reduce<Buffer>((rest, name) => ENCODERS[name]?.(rest) ?? rest, content)
  const coding = names.map((name) => name.replace('-raw', '')).join(', ')
  response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': coding }).end(spoil(body))
}

function corrupted(body: Buffer): Buffer {
  return Buffer.concat([body.subarray(0, 20), Buffer.alloc(Math.max(20, body.length - 20), 0xff)])
}

function bomb(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
  const zeros = Buffer.alloc(65_536)
  const gzip = createGzip()
  gzip.pipe(response)
  const fill = () => {
    while (gzip.write(zeros)) {}
  }
  gzip.on('drain', fill)
  response.on('close', () => gzip.destroy())
  fill()
}

function pad(response: ServerResponse, bytes: string | null): void {
  if (bytes !== null) {
    response.end(Buffer.alloc(Number(bytes)))
    return
  }
  const zeros = Buffer.alloc(65_536)
  const fill = () => {
    while (response.write(zeros)) {}
  }
  response.on('drain', fill)
  fill()
}

function truncate({ request, response, query }: OriginExchange): void {
  const { socket } = request
  const how = query.get('how')
  const head = `HTTP/1.1 200 OK\r\n${query.has('close') ? 'connection: close\r\n' : ''}`
  if (how === 'chunked') socket.end(`${head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`)
  else if (how === 'length') socket.end(`${head}content-length: 8\r\n\r\nhalf`)
  else {
    // Without a length the end of the connection is the end of the body: only a reset tells that there was more.
    socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf', () => laterTurn(3, () => socket.resetAndDestroy()))
  }
  response.on('error', () => undefined)
}

function goAway({ request, query }: OriginExchange): void {
  const { socket } = request
  if (query.get('how') === 'reset') socket.resetAndDestroy()
  else if (query.get('how') === 'headers') socket.end('HTTP/1.1 200 OK\r\ncontent-len')
  else socket.end()
}

/** A client in the same process has read by then what was written before. */
function laterTurn(turns: number, then: () => void): void {
  if (turns === 0) then()
  else setImmediate(() => laterTurn(turns - 1, then))
}
