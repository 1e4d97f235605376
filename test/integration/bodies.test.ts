import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Variables } from '../support/api.js'
import { eventually } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { letters } from '../support/origin-routes.js'
import { startTestServer, type TestServer } from '../support/server.js'

let origin: Origin
let server: TestServer
let api: ApiClient

beforeAll(async () => {
  origin = await startOrigin()
  server = await startTestServer()
  api = server.api
})

afterAll(async () => {
  await server.close()
  await origin.close()
})

interface Stored {
  status: string
  output: unknown
  body: string | null
  bodyUrl: string | null
  error: { code: string } | null
  fetch: { bytes: number; sha256: string | null } | null
}

const FIELDS = 'status output body bodyUrl error { code } fetch { bytes sha256 }'

/** Launches requests whose bodies are stored, and follows them to their end. */
async function store(urls: string[], options: Variables = {}, fetch: Variables = {}): Promise<string> {
  const input = {
    source: { urls },
    fetch: { bodyPolicy: 'STORE', ...fetch },
    options: { retry: { maxAttempts: 1 }, ...options },
  }
  return api.finish(api.launchFetch(input))
}

async function storedTasks(urls: string[], fetch: Variables = {}): Promise<Stored[]> {
  return api.tasks<Stored>(await store(urls, {}, fetch), FIELDS)
}

async function remove(
  id: string,
): Promise<{ deletedRunId: string | null; userErrors: { code: string; field: string[]; message: string }[] }> {
  const query = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code field message } } }'
  const { deleteRun } = await api.ask<{ deleteRun: Awaited<ReturnType<typeof remove>> }>(query, { id })
  return deleteRun
}

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')

/** The names of the final files on disk. */
function files(): string[] {
  const root = join(server.dataDir, 'blobs')
  return readdirSync(root)
    .filter((folder) => folder !== 'tmp')
    .flatMap((folder) => readdirSync(join(root, folder)).map((rest) => folder + rest))
}

const staged = () => readdirSync(join(server.dataDir, 'blobs', 'tmp'))

const file = (hash: string) => join(server.dataDir, 'blobs', hash.slice(0, 2), hash.slice(2))

describe('a body that is stored', () => {
  it('is read back as text, and as it is from its URL', async () => {
    const [task] = await storedTasks([`${origin.url}/json?i=7`])
    const text = '{"id":7,"name":"item-7","price":259.5,"tags":["alpha","beta","gamma"]}'
    const hash = sha256(text)
    expect(task).toEqual({
      status: 'SUCCEEDED',
      output: null,
      body: text,
      bodyUrl: `/blobs/${hash}`,
      error: null,
      fetch: { bytes: text.length, sha256: hash },
    })
    const response = await fetch(server.app.url + task?.bodyUrl)
    expect(await response.text()).toBe(text)
  })

  it('is decoded before it is stored, whatever the coding and the size', async () => {
    const paths = ['gzip', 'br', 'deflate', 'gzip,br'].map((as) => `${origin.url}/encoded?as=${as}&n=900000`)
    const tasks = await storedTasks(paths)
    const text = letters(900_000)
    for (const { fetch, body } of tasks) {
      expect(fetch).toEqual({ bytes: 900_000, sha256: sha256(text) })
      expect(body).toBe(text)
    }
  })

  it('may be empty, and is none where an answer cannot have one', async () => {
    const input = {
      source: {
        requests: [
          { url: `${origin.url}/bytes?n=0` },
          { url: `${origin.url}/bytes?n=5`, method: 'HEAD' },
          { url: `${origin.url}/status?code=204` },
        ],
      },
      fetch: { bodyPolicy: 'STORE' },
    }
    const tasks = await api.tasks<Stored>(await api.finish(api.launchFetch(input)), FIELDS)
    expect(tasks.map(({ status, body, bodyUrl }) => ({ status, body, bodyUrl }))).toEqual([
      { status: 'SUCCEEDED', body: '', bodyUrl: `/blobs/${sha256('')}` },
      { status: 'SUCCEEDED', body: null, bodyUrl: null },
      { status: 'SUCCEEDED', body: null, bodyUrl: null },
    ])
    const response = await fetch(`${server.app.url}/blobs/${sha256('')}`)
    expect({ status: response.status, length: response.headers.get('content-length') }).toEqual({
      status: 200,
      length: '0',
    })
  })

  it('is decoded as its sender says', async () => {
    const raw = (hex: string, type: string) => `${origin.url}/raw?hex=${hex}&type=${encodeURIComponent(type)}`
    const tasks = await storedTasks([
      raw('e9e8', 'text/plain; charset=iso-8859-1'),
      raw('80', 'text/plain; charset=windows-1252'),
      raw('fffe68006900', 'text/plain'),
      raw('e697a5e69cac', 'text/plain'),
      raw('93fa967b', 'text/html; charset=shift_jis'),
      raw('ff', 'application/octet-stream'),
    ])
    expect(tasks.map(({ body }) => body)).toEqual(['éè', '€', 'hi', '日本', '日本', '\ufffd'])
  })

  it('is cut where it is asked to be, and never within a character', async () => {
    const url = `${origin.url}/raw?hex=${Buffer.from('aü日😀z').toString('hex')}&type=text/plain`
    const id = await store([url])
    const sizes = [0, 1, 2, 3, 5, 6, 9, 10, 11, 12]
    const fields = sizes.map((maxBytes) => `b${maxBytes}: body(maxBytes: ${maxBytes})`).join(' ')
    const [task] = await api.tasks<Record<string, string>>(id, fields)
    expect(sizes.map((size) => task?.[`b${size}`])).toEqual([
      '',
      'a',
      'a',
      'aü',
      'aü',
      'aü日',
      'aü日',
      'aü日😀',
      'aü日😀z',
      'aü日😀z',
    ])
    for (const maxBytes of [-1, 16_777_217]) {
      const { errors } = await api.raw(`{ run(id: "${id}") { tasks { nodes { body(maxBytes: ${maxBytes}) } } } }`)
      expect(errors?.[0]).toMatchObject({
        message: `maxBytes: ${maxBytes} is out of range: expected 0 to 16777216`,
        extensions: { code: 'BAD_USER_INPUT' },
      })
    }
  })

  it('belongs to its owner alone', async () => {
    const [task] = await storedTasks([`${origin.url}/bytes?n=33`])
    const path = file(task?.fetch?.sha256 ?? '')
    const modes = [path, join(path, '..'), join(server.dataDir, 'blobs', 'tmp'), join(server.dataDir, 'blobs')]
    expect(modes.map((one) => (statSync(one).mode & 0o777).toString(8))).toEqual(['600', '700', '700', '700'])
  })
})

describe('equal bodies', () => {
  it.each(['ASYNC', 'THREADS', 'PROCESSES'])('are one file over all lanes with %s', async (strategy) => {
    const n = 70_000 + strategy.length
    const before = files().length
    const urls = Array.from({ length: 200 }, (_, i) => `${origin.url}/bytes?n=${n}&i=${i}`)
    const id = await store(urls, { strategy, lanes: 2, concurrency: 32 })
    const tasks = await api.tasks<Stored>(id, 'status fetch { bytes sha256 }')
    const hash = sha256(letters(n))
    expect(new Set(tasks.map(({ status, fetch }) => `${status} ${fetch?.sha256}`))).toEqual(
      new Set([`SUCCEEDED ${hash}`]),
    )
    expect(files().length).toBe(before + 1)
    expect(statSync(file(hash)).size).toBe(n)
    expect(staged()).toEqual([])
  })

  it('are one file over runs that store them at the same moment, and stay as long as one of them holds them', async () => {
    const before = new Set(files())
    const urls = Array.from({ length: 60 }, (_, i) => `${origin.url}/bytes?n=${1000 + (i % 3)}`)
    const ids = await Promise.all(
      ['ASYNC', 'THREADS', 'PROCESSES'].map((strategy) => store(urls, { strategy, lanes: 2 })),
    )
    const own = await store([...urls, `${origin.url}/bytes?n=77`])
    const hashes = [1000, 1001, 1002, 77].map((n) => sha256(letters(n)))
    const added = () => files().filter((name) => !before.has(name))
    expect(new Set(added())).toEqual(new Set(hashes))
    for (const id of ids) expect(await remove(id)).toEqual({ deletedRunId: id, userErrors: [] })
    expect(added().length).toBe(4)
    expect((await api.tasks<Stored>(own, 'body'))[0]?.body).toBe(letters(1000))
    await remove(own)
    expect(added()).toEqual([])
    for (const hash of hashes) expect((await fetch(`${server.app.url}/blobs/${hash}`)).status).toBe(404)
  })
})

describe('a body that fails', () => {
  it.each([
    ['BODY_TOO_LARGE', '/bytes?n=300001&chunked', { maxBytes: 300_000 }],
    ['BODY_TOO_LARGE', '/encoded?as=gzip&n=300001', { maxBytes: 300_000 }],
    ['BODY_TOO_LARGE', '/bomb', { maxBytes: 3_000_000 }],
    ['BODY_TRUNCATED', '/truncated?how=length', {}],
    ['DECODING', '/unfinished?as=gzip&n=900000', {}],
    ['HTTP_STATUS', '/status?code=404&n=5000', {}],
  ])('leaves nothing: %s at %s', async (code, path, options) => {
    const before = files()
    const [task] = await storedTasks([origin.url + path], options)
    expect(task).toMatchObject({ status: 'FAILED', error: { code }, body: null, bodyUrl: null })
    await eventually(() => staged().length === 0)
    expect(files()).toEqual(before)
  })

  it('leaves nothing when it is too late', async () => {
    const before = files()
    const id = await store([`${origin.url}/hold-body`], { timeoutMs: 300 })
    expect(await api.tasks<Stored>(id, 'error { code } body')).toEqual([{ error: { code: 'TIMEOUT' }, body: null }])
    await eventually(() => staged().length === 0)
    expect(files()).toEqual(before)
  })

  it('is stored where another attempt succeeds', async () => {
    const id = await store([`${origin.url}/flaky?fails=2&of=bodies`], { retry: { maxAttempts: 3, backoffMs: 1 } })
    expect(await api.tasks<Stored>(id, 'attempts body')).toEqual([{ attempts: 3, body: 'answered at request 3' }])
    expect(staged()).toEqual([])
  })
})

describe('/blobs', () => {
  const text = letters(100_000)
  const hash = sha256(text)
  const url = () => `${server.app.url}/blobs/${hash}`
  beforeAll(async () => {
    await store([`${origin.url}/bytes?n=100000`])
  })

  it('answers so that no browser makes anything of it', async () => {
    const response = await fetch(url())
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache',
      'content-disposition': 'attachment',
      'content-length': '100000',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-type': 'application/octet-stream',
      'cross-origin-resource-policy': 'same-origin',
      etag: `"${hash}"`,
      'x-content-type-options': 'nosniff',
    })
    expect(await response.text()).toBe(text)
  })

  it('tells by HEAD what there is', async () => {
    const response = await fetch(url(), { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe('100000')
    expect(await response.text()).toBe('')
  })

  it.each([
    ['bytes=0-4', 206, 'bytes 0-4/100000', text.slice(0, 5)],
    ['bytes=99995-', 206, 'bytes 99995-99999/100000', text.slice(99_995)],
    ['bytes=-3', 206, 'bytes 99997-99999/100000', text.slice(-3)],
    ['bytes=99990-200000', 206, 'bytes 99990-99999/100000', text.slice(99_990)],
    ['bytes=0-1,5-6', 200, null, text],
    ['lines=1-2', 200, null, text],
  ])('gives the range %s', async (range, status, contentRange, expected) => {
    const response = await fetch(url(), { headers: { range } })
    expect({ status: response.status, range: response.headers.get('content-range') }).toEqual({
      status,
      range: contentRange,
    })
    expect(await response.text()).toBe(expected)
  })

  it('refuses a range past the end', async () => {
    const response = await fetch(url(), { headers: { range: 'bytes=100000-' } })
    expect(response.status).toBe(416)
    expect(response.headers.get('content-range')).toBe('bytes */100000')
    expect(await response.json()).toEqual({
      errors: [{ message: expect.stringContaining('100000 bytes'), extensions: { code: 'BAD_USER_INPUT' } }],
    })
  })

  it('tells who has it that it is the same', async () => {
    const asked = (headers: Record<string, string>) => fetch(url(), { headers })
    const same = await asked({ 'if-none-match': `"${hash}"` })
    expect(same.status).toBe(304)
    expect(same.headers.get('etag')).toBe(`"${hash}"`)
    expect((await asked({ 'if-none-match': '"other"' })).status).toBe(200)
    expect((await asked({ range: 'bytes=0-0', 'if-range': `"${hash}"` })).status).toBe(206)
    expect((await asked({ range: 'bytes=0-0', 'if-range': '"other"' })).status).toBe(200)
    expect((await asked({ 'if-match': '"other"' })).status).toBe(412)
  })

  it.each([
    'f'.repeat(64),
    hash.toUpperCase(),
    hash.slice(1),
    `${hash}0`,
    '',
    `..%2f..%2fheddle.db`,
    `${hash.slice(0, 2)}/${hash.slice(2)}`,
    'tmp',
  ])('has nothing at %j', async (name) => {
    const response = await fetch(`${server.app.url}/blobs/${name}`)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      errors: [{ message: expect.stringContaining('No run holds'), extensions: { code: 'NOT_FOUND' } }],
    })
  })

  it('takes no other methods, and no pages of other origins', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await fetch(url(), { method })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')).toBe('GET, HEAD')
    }
    expect((await fetch(url(), { headers: { origin: 'https://evil.example' } })).status).toBe(403)
  })

  it('lets go of the file where a client goes in the middle', async () => {
    const id = await store([`${origin.url}/bytes?n=9000000`], {}, { maxBytes: 10_000_000 })
    const [task] = await api.tasks<Stored>(id, 'bodyUrl')
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    await new Promise<void>((resolve, reject) => {
      const going = request(server.app.url + task?.bodyUrl, (response) => {
        response.once('data', () => {
          going.destroy()
          resolve()
        })
      })
      going.on('error', reject).end()
    })
    await eventually(() => open() <= before)
    expect((await fetch(server.app.url + task?.bodyUrl)).status).toBe(200)
  })

  it('does not give what somebody has cut', async () => {
    const id = await store([`${origin.url}/bytes?n=4321`])
    const [task] = await api.tasks<Stored>(id, 'bodyUrl fetch { sha256 }')
    truncateSync(file(task?.fetch?.sha256 ?? ''), 100)
    expect((await fetch(server.app.url + task?.bodyUrl)).status).toBe(404)
    expect(await api.tasks(id, 'body')).toEqual([{ body: null }])
    // An equal body that comes later makes it whole again.
    await store([`${origin.url}/bytes?n=4321`])
    expect(await api.tasks(id, 'body')).toEqual([{ body: letters(4321) }])
    expect(existsSync(file(task?.fetch?.sha256 ?? ''))).toBe(true)
  })
})
