/** Whole requests, byte for byte: of HTTP, of GraphQL over it, and of what is neither. */

import { documentOf, type Known } from './documents.js'
import { chance, count, type Gen, json, oneOf, text } from './values.js'

export interface Case {
  /** All that is sent, before the sender falls silent. */
  bytes: Buffer
  /** Whether it has to be answered, as an HTTP request that can be understood. */
  isRequest: boolean
}

const PATHS = [
  '/graphql',
  '/graphql',
  '/graphql?query={__typename}',
  '/',
  '/health',
  '/ready',
  '/blobs/',
  `/blobs/${'a'.repeat(64)}`,
  '/blobs/../../etc/passwd',
  '/blobs/..%2f..%2fheddle.db',
  '/blobs/%2e%2e/heddle.db',
  '/blobs/%00',
  '//graphql',
  '/graphql/../blobs/x',
  '/%',
  '*',
  'http://evil.example/graphql',
]
const METHODS = ['GET', 'POST', 'POST', 'POST', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'get']
const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  [
    'content-type',
    [
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json; charset=utf-16',
      ';;;',
      '\u00ff',
    ],
  ],
  [
    'accept',
    ['*/*', 'text/html', 'text/event-stream', 'application/graphql-response+json', 'image/png', 'a/b;q=2,,;', ''],
  ],
  ['origin', ['null', 'https://evil.example', 'http://127.0.0.1', '://', 'http://localhost:1']],
  ['sec-fetch-site', ['cross-site', 'same-origin', 'none', 'nonsense']],
  ['authorization', ['Bearer x', 'Basic !', 'Basic', 'Bearer '.repeat(100), '']],
  ['range', ['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-0,1-1', 'lines=1', 'bytes=99999999999999999999-']],
  ['if-none-match', ['*', '"x"', 'W/""']],
  ['cookie', ['a=b', '__proto__=1']],
  ['expect', ['100-continue', '200-nonsense']],
  ['upgrade', ['websocket', 'h2c', 'nonsense']],
  ['connection', ['upgrade', 'close', 'keep-alive, x']],
  ['sec-websocket-key', ['dGhlIHNhbXBsZSBub25jZQ==', 'x']],
  ['sec-websocket-version', ['13', '99']],
  ['content-encoding', ['gzip', 'nonsense']],
  ['transfer-encoding', ['chunked', 'gzip, chunked', 'identity']],
  ['content-length', ['0', '5', '-1', '99999999', '1e3', '99999999999999999999']],
  ['x-forwarded-for', ['127.0.0.1', "'"]],
]

/** An operation as most clients send it: what makes the case is the document and its variables. */
export function operationCase(g: Gen, known: Known): Case {
  const { query, variables } = documentOf(g, known)
  const body: Record<string, unknown> = { query, variables: chance(g, 97) ? variables : json(g) }
  if (chance(g, 2)) body.operationName = json(g, 1)
  if (chance(g, 2)) body.extensions = json(g)
  const accept = query.startsWith('subscription') ? 'text/event-stream' : oneOf(g, ['application/json', '*/*'])
  if (query.startsWith('query') ? chance(g, 15) : chance(g, 2)) {
    const asked = new URLSearchParams({ query, variables: JSON.stringify(body.variables) ?? '' })
    return {
      bytes: request({ method: 'GET', path: `/graphql?${asked}`, headers: [['accept', accept]] }),
      isRequest: asked.toString().length < 10_000,
    }
  }
  return { bytes: posted(JSON.stringify(body), [['accept', accept]]), isRequest: true }
}

/** A body that may be anything. */
export function bodyCase(g: Gen): Case {
  const whole = JSON.stringify(chance(g, 50) ? json(g, 5) : { query: json(g), variables: json(g) })
  const cut = chance(g, 30) ? whole.slice(0, count(g, whole.length)) : whole
  const nested = chance(g, 5)
    ? oneOf(g, ['['.repeat(100_000), '{"query":'.repeat(20_000), '"\\u0000'.repeat(10_000)])
    : cut
  const type = oneOf(g, HEADERS[0]?.[1] ?? [])
  return {
    bytes: posted(nested, [['content-type', chance(g, 60) ? 'application/json' : latin(type)]]),
    isRequest: true,
  }
}

/** A multipart form, more or less. */
export function formCase(g: Gen): Case {
  const part = (name: string, value: string, file = '') =>
    `--x\r\ncontent-disposition: form-data; name="${latin(name)}"${file === '' ? '' : `; filename="${latin(file)}"`}\r\n\r\n${latin(value)}\r\n`
  const operations = JSON.stringify({
    query:
      'mutation($f: Upload!) { launchComputeBatch(input: { function: "hash", source: { file: $f } }) { run { id } userErrors { code } } }',
    variables: { f: null },
  })
  const parts = [
    part('operations', chance(g, 70) ? operations : JSON.stringify(json(g))),
    part('map', chance(g, 70) ? '{"0":["variables.f"]}' : JSON.stringify(json(g))),
    part(oneOf(g, ['0', '1', '__proto__', '']), text(g), text(g).replaceAll(/["\r\n]/g, '') || 'x'),
  ]
  if (chance(g, 20)) parts.reverse()
  if (chance(g, 20)) parts.splice(count(g, 2), 1)
  const end = chance(g, 80) ? '--x--\r\n' : ''
  return { bytes: posted(parts.join('') + end, [['content-type', 'multipart/form-data; boundary=x']]), isRequest: true }
}

/** A request whose head may be anything that a head can be. */
export function headCase(g: Gen): Case {
  const headers = Array.from({ length: count(g, 5) }, () => {
    const [name, values] = oneOf(g, HEADERS)
    return [name, chance(g, 85) ? oneOf(g, values) : text(g)] as const
  })
  const path = chance(g, 85) ? oneOf(g, PATHS) : `/${encodeURIComponent(Buffer.from(text(g)).toString())}`
  const host = chance(g, 80) ? 'localhost' : oneOf(g, ['evil.example', 'a b', '[::1', '', '127.0.0.1:99999'])
  const body = chance(g, 50) ? JSON.stringify({ query: '{ __typename }' }) : ''
  return { bytes: request({ method: oneOf(g, METHODS), path, headers, host, body }), isRequest: false }
}

/** Bytes, of which some may remind of a request. */
export function noiseCase(g: Gen): Case {
  const { bytes } = headCase(g)
  for (let times = count(g, 8); times > 0 && bytes.length > 0; times -= 1) {
    bytes[count(g, bytes.length - 1)] = count(g, 255)
  }
  return { bytes: chance(g, 80) ? bytes : bytes.subarray(0, count(g, bytes.length)), isRequest: false }
}

function posted(body: string, headers: readonly (readonly [string, string])[]): Buffer {
  const types = headers.some(([name]) => name === 'content-type')
    ? []
    : ([['content-type', 'application/json']] as const)
  const length = ['content-length', String(Buffer.byteLength(body))] as const
  return request({ method: 'POST', path: '/graphql', headers: [...types, ...headers, length], body })
}

interface RequestParts {
  method: string
  path: string
  headers: readonly (readonly [string, string])[]
  host?: string
  body?: string
}

function request({ method, path, headers, host = 'localhost', body = '' }: RequestParts): Buffer {
  const lines = [['host', host], ['connection', 'close'], ...headers].map(
    ([name, value]) => `${name}: ${latin(value ?? '')}`,
  )
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    Buffer.from(body),
  ])
}

/** Without what would end a header. */
function latin(value: string): string {
  return value.replaceAll(/\p{Cc}/gu, '')
}
