import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UploadedFile } from '../../../src/domain/upload.js'
import { Uploads } from '../../../src/files/uploads.js'
import { MultipartRequests } from '../../../src/http/multipart.js'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/http/server.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { until } from '../../support/until.js'
import { bodyOf, fileOf, formOf, openUpload, type Part, send, sendBody } from '../../support/uploads.js'

const LAUNCH = `mutation($input: LaunchComputeBatchInput!) {
  launchComputeBatch(input: $input) { userErrors { code } }
}`

let folder: string
let services: TestServices
let server: HttpServer
let url: string
/** Bytes that have come, of all files. */
let receivedBytes: number

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
  services = testServices()
  receivedBytes = 0
  const uploads = new Uploads({ folder, maxBytes: 1_000_000, maxItems: 1_000 })
  async function* counted(pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      receivedBytes += piece.length
      yield piece
    }
  }
  server = createHttpServer({
    services,
    introspection: true,
    origins: ['https://app.example.com'],
    readiness: () => [],
    uploads: { receive: (pieces, name) => uploads.receive(counted(pieces), name) },
    ...options,
  })
  url = (await server.listen(0, '127.0.0.1')).url
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-uploads-'))
  await start()
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const files = () => readdirSync(folder)

/** What the engine was given as the source's file. */
function launchedFiles(): UploadedFile[] {
  return services.runs.launches.map(({ input }) => (input as { source: { file: UploadedFile } }).source.file)
}

const variables = { input: { function: 'square', source: { file: null } } }
const operations: Part = { name: 'operations', content: JSON.stringify({ query: LAUNCH, variables }) }
const map: Part = { name: 'map', content: '{"0":["variables.input.source.file"]}' }
const file: Part = { name: '0', content: '1\n2\n', file: 'a.jsonl' }

describe('an operation with a file', () => {
  it('is executed with the file in the place of its null, as clients send it', async () => {
    const input = { function: 'square', source: { file: fileOf('1\r\n\r\n2', 'née.jsonl') } }
    const { status, body } = await send(url, formOf(LAUNCH, { input }))
    expect([status, body]).toMatchObject([200, { data: { launchComputeBatch: { userErrors: [] } } }])
    const [uploaded] = launchedFiles()
    expect(uploaded).toBeInstanceOf(UploadedFile)
    expect(uploaded?.name).toBe('née.jsonl')
    expect(uploaded?.content).toMatchObject({ kind: 'lines', bytes: 6, table: { count: 2 } })
  })

  it.each<[string, Part[]]>([
    [
      'with types of its fields',
      [{ ...operations, type: 'application/json' }, { ...map, type: 'application/json' }, file],
    ],
    ['with fields from files', [{ ...operations, file: 'o.json' }, { ...map, file: 'm.json' }, file]],
    ['with a file without a name', [operations, map, { ...file, file: '' }]],
    [
      'with a file that only its type makes one',
      [operations, map, { name: '0', content: '1', type: 'application/octet-stream' }],
    ],
  ])('may come %s', async (_what, parts) => {
    expect((await sendBody(url, bodyOf(parts))).status).toBe(200)
    expect(launchedFiles()).toHaveLength(1)
  })

  it('may come without a file', async () => {
    const parts = [
      { ...operations, content: '{"query":"{ functions { name } }"}' },
      { ...map, content: '{}' },
    ]
    expect(await sendBody(url, bodyOf(parts))).toMatchObject({ status: 200, body: { data: { functions: [{}] } } })
  })

  it('may have one file at several places, and in a list', async () => {
    const query = 'mutation($fs: [Upload!]!, $g: Upload!) { __typename }'
    const content = JSON.stringify({ query, variables: { fs: [null, null], g: null } })
    const paths = { name: 'map', content: '{"0":["variables.fs.0","variables.g"],"1":["variables.fs.1"]}' }
    const parts = [{ ...operations, content }, paths, { ...file, name: '1' }, file]
    const answer = await sendBody(url, bodyOf(parts))
    expect(answer.body.errors?.[0]?.message).toMatch(/"\$fs" is never used/)
    expect(files()).toEqual([])
  })

  it('loses its file where no launch has taken it, and keeps it where one has', async () => {
    await sendBody(url, bodyOf([operations, map, file]))
    expect(files()).toEqual([])
    let settle = (_isKept: boolean) => {}
    const { launchCompute } = services.engine
    services.engine.launchCompute = (input, space) => {
      settle = input.source.file?.hold() ?? settle
      return launchCompute.call(services.engine, input, space)
    }
    await sendBody(url, bodyOf([operations, map, file]))
    expect(files()).toHaveLength(1)
    settle(true)
    expect(readFileSync(join(folder, files()[0] ?? ''), 'utf8')).toBe('1\n2\n')
    expect(() => launchedFiles()[0]?.hold()).toThrow('is over')
  })

  it('is answered in events where those are asked for', async () => {
    const body = bodyOf([
      { ...operations, content: '{"query":"{ functions { name } }"}' },
      { ...map, content: '{}' },
    ])
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { accept: 'text/event-stream', 'content-type': 'multipart/form-data; boundary=x-heddle-x' },
    })
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(await response.text()).toContain('event: complete')
  })
})

const operationsOf = (content: unknown): Part => ({ name: 'operations', content: JSON.stringify(content) })
const mapOf = (content: unknown): Part => ({ name: 'map', content: JSON.stringify(content) })
const PATH = 'variables.input.source.file'

describe('a request that is not as the specification has it', () => {
  it.each<[string, Part[], RegExp]>([
    ['no parts', [], /no field "operations"/],
    ['no operations', [map, file], /"map" comes before "operations"/],
    ['a file first', [file, operations, map], /file "0" comes before "map"/],
    ['a file before the map', [operations, file, map], /file "0" comes before "map"/],
    ['no map', [operations], /no field "map"/],
    ['operations twice', [operations, operations, map, file], /"operations" is there twice/],
    ['operations after the map', [operations, map, operations, file], /"operations" is there twice/],
    ['a map twice', [operations, map, map, file], /"map" is there twice/],
    ['operations that are no JSON', [{ ...operations, content: '{' }, map, file], /"operations" is no JSON/],
    ['operations that are a text', [operationsOf('x'), map, file], /"operations" is "x": expected a JSON object/],
    ['null operations', [operationsOf(null), map, file], /"operations" is null/],
    ['several operations', [operationsOf([{}]), map, file], /is a list: one operation/],
    ['a map that is no JSON', [operations, { ...map, content: 'x' }, file], /"map" is no JSON/],
    ['a map that is a list', [operations, mapOf([[PATH]]), file], /"map" is \[\["variables/],
    ['a map of texts', [operations, mapOf({ 0: PATH }), file], /has "variables.input.source.file" for "0"/],
    ['a map of nothing', [operations, mapOf({ 0: [] }), file], /has \[\] for "0"/],
    ['a map of numbers', [operations, mapOf({ 0: [1] }), file], /has \[1\] for "0"/],
    ['a path to nowhere', [operations, mapOf({ 0: ['variables.other.file'] }), file], /nothing is there/],
    ['a path out of the variables', [operations, mapOf({ 0: ['query'] }), file], /nothing is there/],
    ['a path past the variables', [operations, mapOf({ 0: ['extensions.x'] }), file], /nothing is there/],
    ['an empty path', [operations, mapOf({ 0: [''] }), file], /nothing is there/],
    ['a path into a prototype', [operations, mapOf({ 0: ['variables.__proto__.x'] }), file], /nothing is there/],
    ['a path of a prototype', [operations, mapOf({ 0: ['variables.constructor'] }), file], /nothing is there/],
    [
      'a path to a text',
      [operations, mapOf({ 0: ['variables.input.function'] }), file],
      /"square" is there: expected a null/,
    ],
    ['a path twice', [operations, mapOf({ 0: [PATH], 1: [PATH] }), file], /path "variables.input.source.file" twice/],
    ['a path through another', [operations, mapOf({ 0: [PATH, `${PATH}.name`] }), file], /nothing is there/],
    ['a file that is not in the map', [operations, map, file, { ...file, name: '1' }], /file "1" is not in the map/],
    ['a file twice', [operations, map, file, file], /file "0" is there twice/],
    ['a file that did not come', [operations, map], /names the file "0", and it did not come/],
    [
      'a field where a file is to be',
      [operations, map, { name: '0', content: '1' }],
      /"0" is no file: send it with a file name/,
    ],
    ['a field of another name', [operations, { name: 'more', content: '1' }, map, file], /a field "more"/],
    [
      'too many files',
      [operations, mapOf(Object.fromEntries(Array.from({ length: 17 }, (_, at) => [at, ['x']]))), file],
      /names 17 files, more than 16/,
    ],
    [
      'too many parts',
      [operations, map, ...Array.from({ length: 30 }, () => ({ name: '', content: '' }))],
      /(more than 24 parts|a field "")/,
    ],
  ])('is refused, told why, and leaves nothing: %s', async (_what, parts, message) => {
    const { status, body } = await sendBody(url, bodyOf(parts))
    expect(body).toEqual({
      errors: [{ message: expect.stringMatching(message), extensions: { code: 'BAD_USER_INPUT' } }],
    })
    expect(status).toBe(400)
    expect(launchedFiles()).toEqual([])
    expect(files()).toEqual([])
  })

  it.each([
    ['without a boundary', 'multipart/form-data', 400, /names no boundary/],
    ['of another kind', 'multipart/mixed; boundary=x-heddle-x', 415, /expected application\/json, or multipart/],
  ])('is refused %s', async (_what, type, code, message) => {
    const { status, body } = await sendBody(url, bodyOf([operations, map, file]), { 'content-type': type })
    expect([status, body.errors?.[0]?.message]).toEqual([code, expect.stringMatching(message)])
  })

  it.each(['', '; filename="a"'])('is refused where a part has no name: form-data%s', async (fileName) => {
    const part = `--x-heddle-x\r\ncontent-disposition: form-data${fileName}\r\n\r\n1\r\n--x-heddle-x--\r\n`
    const { status, body } = await sendBody(url, bodyOf([operations, map], part))
    expect([status, body.errors?.[0]?.message]).toEqual([400, expect.stringMatching(/a part without a name/)])
    expect(files()).toEqual([])
  })

  it('is refused where a field is larger than a body may be', async () => {
    const large = operationsOf({ query: LAUNCH, variables: { ...variables, more: 'x'.repeat(5 * 1024 * 1024) } })
    const { status, body } = await sendBody(url, bodyOf([large, map, file]))
    expect([status, body.errors?.[0]?.message]).toEqual([413, '"operations" is larger than 5242880 bytes'])
  })

  it('is refused where its end is missing, with what had come of it removed', async () => {
    const whole = bodyOf([operations, map, { ...file, content: '1\n'.repeat(400) }])
    const ends = ['', '--x-heddle-x', '--x-heddle-x\r\ncontent-disposition: form-data; name="1"; filename="b"\r\n']
    for (const body of [...ends.map((end) => bodyOf([operations, map, file], end)), whole.subarray(0, -300)]) {
      const answer = await sendBody(url, body)
      expect([answer.status, answer.body.errors?.[0]?.message]).toEqual([400, expect.stringMatching(/breaks off/)])
      expect(files()).toEqual([])
    }
    expect(launchedFiles()).toEqual([])
  })

  it('leaves nothing where its sender leaves while its files are brought to disk', async () => {
    const uploads = new Uploads({ folder, maxBytes: 1_000_000, maxItems: 1_000 })
    let goOn = () => {}
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const slow = {
      async receive(pieces: AsyncIterable<Buffer>, name: string | null) {
        const received = await uploads.receive(pieces, name)
        await gate
        return received
      },
    }
    const requests = new MultipartRequests(slow, 1_000_000)
    const headers = { 'content-type': 'multipart/form-data; boundary=x-heddle-x' }
    const pieces = Readable.from([bodyOf([operations, map, file])])
    const request = Object.assign(pieces, { headers, complete: true }) as unknown as IncomingMessage
    const reading = requests.read(request)
    await until(() => files().length === 1)
    await requests.close(request)
    goOn()
    await expect(reading).rejects.toThrow('has left')
    expect(files()).toEqual([])
  })

  it('is a fault of the server where the disk does not take it', async () => {
    await server.close()
    await start({ uploads: { receive: () => Promise.reject(new Error('ENOSPC: no space left on device')) } })
    const { status, body } = await sendBody(url, bodyOf([operations, map, file]))
    expect([status, body.errors?.[0]]).toEqual([
      500,
      { message: 'Internal error', extensions: expect.objectContaining({ code: 'INTERNAL' }) },
    ])
    expect(services.logged).toMatchObject([{ err: { message: 'ENOSPC: no space left on device' } }])
  })
})

describe('a variable of type Upload', () => {
  it.each([
    ['a text', { query: LAUNCH, variables: { input: { function: 'square', source: { file: 'a.txt' } } } }],
    ['an object', { query: LAUNCH, variables: { input: { function: 'square', source: { file: { name: 'a' } } } } }],
    [
      'a literal',
      {
        query: 'mutation { launchComputeBatch(input: { function: "square", source: { file: "a" } }) { deduplicated } }',
      },
    ],
  ])('is a file of a multipart request and not %s', async (_what, content) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(content),
    })
    const { errors } = (await response.json()) as { errors: { message: string; extensions: object }[] }
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(/Upload cannot represent .*multipart request/),
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ])
  })

  it('is where a file goes, and JSON is not', async () => {
    const content = { query: LAUNCH, variables: { input: { function: 'square', source: { inputs: [null] } } } }
    const parts = [operationsOf(content), mapOf({ 0: ['variables.input.source.inputs.0'] }), file]
    const { body } = await sendBody(url, bodyOf(parts))
    expect(body.errors?.[0]?.message).toMatch(/a file is no JSON value/)
    expect(files()).toEqual([])
  })
})

describe('a variable of another type', () => {
  it('takes no file, and the message says no more of it than its name', async () => {
    const content = { query: 'query($id: ID!) { run(id: $id) { id } }', variables: { id: null } }
    const { body } = await sendBody(url, bodyOf([operationsOf(content), mapOf({ 0: ['variables.id'] }), file]))
    expect(body.errors?.[0]?.message).toBe(
      'Variable "$id" got invalid value { file: "a.jsonl" }; ID cannot represent value: { file: "a.jsonl" }',
    )
    expect(files()).toEqual([])
  })
})

describe('a page of another site', () => {
  const sendFrom = (headers: Record<string, string>) => sendBody(url, bodyOf([operations, map, file]), headers)

  it('sends no forms, whether it tells its origin or not', async () => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const { status, body } = await sendFrom(headers as Record<string, string>)
      expect([status, body.errors?.[0]?.extensions?.code]).toEqual([403, 'FORBIDDEN'])
    }
    expect(launchedFiles()).toEqual([])
  })

  it('may where it is listed, and so may this server’s own', async () => {
    const listed = { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' }
    for (const headers of [listed, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, {}]) {
      expect((await sendFrom(headers as Record<string, string>)).status).toBe(200)
    }
  })
})

describe('a request that comes slowly', () => {
  const MINUTE_MS = 60_000
  const head = bodyOf([operations, map], '')
  const partHead = '--x-heddle-x\r\ncontent-disposition: form-data; name="0"; filename="a"\r\n\r\n'

  it('may take an hour for its files, as long as it goes on', async () => {
    const lines = Buffer.from('1\n'.repeat(4_000))
    const end = Buffer.from('\r\n--x-heddle-x--\r\n')
    const upload = openUpload(url, head.length + partHead.length + 60 * lines.length + end.length)
    await upload.write(Buffer.concat([head, Buffer.from(partHead)]))
    await until(() => services.clock.nextDueMs !== null)
    for (let minute = 0; minute < 60; minute += 1) {
      await upload.write(lines.map((byte, at) => (at % 2 === 0 && at > 20 ? 0x20 : byte)))
      // What may be the beginning of a boundary waits for what comes after it.
      await until(() => receivedBytes >= (minute + 1) * lines.length - 20)
      services.clock.advance(MINUTE_MS)
    }
    await upload.write(end)
    await until(() => upload.received().includes('\r\n\r\n'))
    expect(upload.received()).toMatch(/^HTTP\/1.1 200 /)
    upload.destroy()
  })

  it('is ended, and what had come removed, where it does not go on', async () => {
    const upload = openUpload(url, 1_000_000)
    await upload.write(Buffer.concat([head, Buffer.from(`${partHead}1\n2\n`)]))
    await until(() => receivedBytes > 0)
    expect(files()).toHaveLength(1)
    services.clock.advance(MINUTE_MS)
    await upload.write(Buffer.from('3\n'))
    services.clock.advance(MINUTE_MS)
    await upload.closed
    expect(upload.received()).toMatch(/^HTTP\/1.1 408 /)
    await until(() => files().length === 0)
    expect(launchedFiles()).toEqual([])
  })

  it('is ended after a minute where it has no files, however it goes on', async () => {
    const body = '{"query":"{ functions { name } }"}'
    const pending = fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(body)) }),
      duplex: 'half',
    } as RequestInit).then(
      ({ status }) => status,
      () => 'closed',
    )
    await until(() => services.clock.nextDueMs !== null)
    services.clock.advance(MINUTE_MS)
    expect([408, 'closed']).toContain(await pending)
  })

  it('has no more time because it was answered', async () => {
    const upload = openUpload(url, 1_000_000)
    await upload.write(bodyOf([map], '--x-heddle-x'))
    await until(() => upload.received().includes('\r\n\r\n'))
    expect(upload.received()).toMatch(/^HTTP\/1.1 400 /)
    await upload.write(Buffer.alloc(500_000))
    services.clock.advance(MINUTE_MS)
    await upload.closed
  })

  it('has no limit once it is there', async () => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: '{"query":"subscription { runsUpdated { id } }"}',
    })
    services.clock.advance(10 * MINUTE_MS)
    const reader = response.body?.getReader()
    expect((await reader?.read())?.done).toBe(false)
    await reader?.cancel()
  })
})
