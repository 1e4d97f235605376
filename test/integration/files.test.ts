import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Launched } from '../support/api.js'
import { Gates } from '../support/lanes.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { FUNCTIONS_DIR, startTestServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import {
  bodyOf,
  fileOf,
  formOf,
  launchComputeFile,
  launchFetchFile,
  openUpload,
  send,
  uploadsIn,
} from '../support/uploads.js'

const MAX_FILE_BYTES = 2_000_000

let server: TestServer
let origin: Origin

beforeAll(async () => {
  origin = await startOrigin()
  const settings = { HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR, HEDDLE_LANES: '2', HEDDLE_MAX_ITEMS: '20000' }
  server = await startTestServer(settings, { maxFileBytes: MAX_FILE_BYTES })
})
afterAll(async () => {
  await server.close()
  await origin.close()
})

interface TaskNode {
  index: number
  status: string
  input: unknown
  output: unknown
  error: { code: string; message: string } | null
}

const TASK = 'index status input output error { code message }'

async function finished(launched: ReturnType<typeof launchComputeFile>): Promise<{ id: string; status: string }> {
  const id = await server.api.start(launched)
  return { id, status: await server.api.ended(id) }
}

const countRuns = async () =>
  (await server.api.ask<{ runs: { totalCount: number } }>('{ runs { totalCount } }')).runs.totalCount

describe.each(['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES'])('a compute batch from a file, %s', (strategy) => {
  it('runs each line, and fails what is none by itself', async () => {
    const text = '\ufeff1\r\n\r\n  {"a":[1,2]}  \r\n\t\r\nnonsense\r\n"text"\n12345678901234567890\n{"a":1} x\nnull'
    const { id, status } = await finished(
      launchComputeFile(server.api.url, fileOf(text, 'inputs.jsonl'), { function: 'anything', options: { strategy } }),
    )
    expect(status).toBe('PARTIAL')
    const tasks = await server.api.tasks<TaskNode>(id, TASK)
    const bad = (input: string, message: RegExp) => ({
      status: 'FAILED',
      input,
      output: null,
      error: { code: 'INVALID_INPUT', message: expect.stringMatching(message) },
    })
    const good = (value: unknown) => ({ status: 'SUCCEEDED', input: value, output: value, error: null })
    expect(tasks.map(({ index: _index, ...task }) => task)).toEqual([
      good(1),
      good({ a: [1, 2] }),
      bad('nonsense', /^the line is no JSON: "nonsense"$/),
      good('text'),
      bad('12345678901234567890', /exactly.*decimal strings/),
      bad('{"a":1} x', /no JSON/),
      good(null),
    ])
  })
})

describe('a compute batch from a file', () => {
  it('is told by what its file is, and checked by the schema of its function', async () => {
    const file = fileOf([1, -1, 'x', 3], 'numbers.jsonl')
    const { id } = await finished(launchComputeFile(server.api.url, file, { function: 'countPrimes', reduce: 'SUM' }))
    const run = await server.api.run<{ request: { source: unknown } }>(
      id,
      'request reduction progress { total failed }',
    )
    expect(run).toEqual({
      request: expect.objectContaining({
        source: {
          file: {
            name: 'numbers.jsonl',
            bytes: 10,
            sha256: await sha256Of(file),
            count: 4,
          },
        },
      }),
      reduction: expect.any(Number),
      progress: { total: 4, failed: 2 },
    })
    const [, negative] = await server.api.tasks<TaskNode>(id, TASK)
    expect(negative).toMatchObject({
      input: -1,
      error: { code: 'INVALID_INPUT', message: expect.stringMatching(/^input /) },
    })
  })

  it('keeps items and inputs together over many stretches, read by several lanes', async () => {
    const lines = Array.from({ length: 12_345 }, (_, at) => (at % 3 === 0 ? `${at}\r\n` : `\n ${at}\n`)).join('')
    const { id, status } = await finished(
      launchComputeFile(server.api.url, fileOf(lines), { function: 'same', options: { strategy: 'THREADS' } }),
    )
    expect(status).toBe('SUCCEEDED')
    const { tasks } = await server.api.run<{ tasks: { nodes: TaskNode[] } }>(
      id,
      'tasks(last: 1000) { nodes { index input output } }',
    )
    expect(tasks.nodes).toEqual(
      Array.from({ length: 1_000 }, (_, at) => ({ index: 11_345 + at, input: 11_345 + at, output: 11_345 + at })),
    )
    const { indexes } = await server.api.run<{ indexes: { nodes: TaskNode[] } }>(
      id,
      'indexes: tasks(first: 1000, orderBy: SLOWEST) { nodes { index input output } }',
    )
    for (const { index, input, output } of indexes.nodes) expect([input, output]).toEqual([index, index])
  })

  it('fails lines that are not UTF-8, or longer than is taken into memory', async () => {
    const big = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR })
    try {
      const long = Buffer.from(`"${'x'.repeat(5 * 1024 * 1024)}"\n`)
      const content = Buffer.concat([
        Buffer.from('1\n"'),
        Buffer.of(0xff, 0xfe),
        Buffer.from('"\n'),
        long,
        Buffer.from('2'),
      ])
      const id = await big.api.start(launchComputeFile(big.api.url, fileOf(content), { function: 'anything' }))
      expect(await big.api.ended(id)).toBe('PARTIAL')
      const tasks = await big.api.tasks<TaskNode>(id, TASK)
      expect(tasks.map(({ status }) => status)).toEqual(['SUCCEEDED', 'FAILED', 'FAILED', 'SUCCEEDED'])
      expect(tasks[1]?.error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('not UTF-8') })
      expect(tasks[2]?.error).toEqual({
        code: 'INVALID_INPUT',
        message: 'the line has 5242882 bytes, more than 5242880',
      })
      expect(tasks[2]?.input).toBe(`"${'x'.repeat(199)}...`)
    } finally {
      await big.close()
    }
  })
})

describe('a page of tasks whose lines are long', () => {
  it('is told where it is too large, and how to have it', async () => {
    const own = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR })
    try {
      const line = JSON.stringify('x'.repeat(5_000_000))
      const lines = fileOf(Array.from({ length: 16 }, () => line).join('\n'))
      const options = { strategy: 'SEQUENTIAL' }
      const id = await own.api.finish(launchComputeFile(own.api.url, lines, { function: 'hash', options }))
      const page = (first: number) =>
        `query($id: ID!) { run(id: $id) { tasks(first: ${first}) { nodes { index input } } } }`
      expect((await own.api.refusal(page(16), { id }))[0]).toBe('BAD_USER_INPUT')
      expect(await own.api.refusal(page(2), { id })).toEqual([])
    } finally {
      await own.close()
    }
  })
})

describe('a fetch batch from a file', () => {
  it('sends URLs and requests, and fails what is neither without sending it', async () => {
    const lines = [
      `${origin.url}/json?i=1`,
      `  ${origin.url}/json?i=2  `,
      JSON.stringify({ url: `${origin.url}/echo`, method: 'post', headers: [{ name: 'x-a', value: 'b' }], body: 'hi' }),
      'no url',
      'ftp://somewhere/',
      '{"url": "http://a/", "colour": 1}',
      '{"url": "http://a/", "headers": [{"name": "authorization", "value": "secret"}], ',
      '{"url": "http://a/", "method": "GET", "body": "x"}',
      '{"method": "GET"}',
    ]
    const { id, status } = await finished(
      launchFetchFile(server.api.url, fileOf(lines.join('\n')), { fetch: { bodyPolicy: 'JSON' } }),
    )
    expect(status).toBe('PARTIAL')
    const tasks = await server.api.tasks<TaskNode>(id, `${TASK} fetch { url }`)
    expect(tasks.map((task) => task.status)).toEqual([...Array(3).fill('SUCCEEDED'), ...Array(6).fill('FAILED')])
    expect(tasks.map(({ error }) => error?.code ?? null)).toEqual([
      ...Array(3).fill(null),
      ...Array(6).fill('INVALID_INPUT'),
    ])
    expect(tasks.map(({ error }) => error?.message ?? '').slice(3)).toEqual([
      '"no url" is not an absolute URL',
      '"ftp://somewhere/" has the scheme ftp: where http: or https: is expected',
      'a request has no "colour": it has url, method, headers and body',
      expect.stringMatching(/^the line is no JSON: /),
      'body: a GET request has no body',
      'url: a text is expected, with an http or https URL',
    ])
    expect(tasks[1]?.input).toBe(`${origin.url}/json?i=2`)
    expect(tasks[2]).toMatchObject({
      input: { url: `${origin.url}/echo`, method: 'POST', headers: [{ name: 'x-a', value: 'b' }], body: 'hi' },
      output: { method: 'POST', body: 'hi' },
    })
    expect(tasks[3]?.input).toBe('no url')
    expect(JSON.stringify(tasks)).not.toContain('secret')
  })

  it('masks secrets as those of a list are masked', async () => {
    const request = {
      url: `${origin.url.replace('//', '//user:pass@')}/ok`,
      headers: [{ name: 'authorization', value: 'Bearer secret' }],
    }
    const { id } = await finished(
      launchFetchFile(server.api.url, fileOf([request, { ...request, url: 'x://user:pass@y' }])),
    )
    const tasks = await server.api.tasks<TaskNode>(id, TASK)
    expect(tasks.map(({ status }) => status)).toEqual(['SUCCEEDED', 'FAILED'])
    expect(JSON.stringify(tasks)).not.toMatch(/pass|secret/)
    expect(tasks[0]?.input).toMatchObject({ headers: [{ name: 'authorization', value: '***' }] })
  })

  it('tries POSTs again only where that was asked for', async () => {
    const line = (path: string) => JSON.stringify({ url: `${origin.url}/flaky?fails=1&n=${path}`, method: 'POST' })
    const get = `${origin.url}/flaky?fails=1&n=get`
    const retry = { maxAttempts: 3, backoffMs: 0 }
    const once = await finished(
      launchFetchFile(server.api.url, fileOf(`${line('once')}\n${get}`), { options: { retry } }),
    )
    const attempts = async (id: string) =>
      (await server.api.tasks<{ attempts: number }>(id, 'attempts')).map((task) => task.attempts)
    expect(await attempts(once.id)).toEqual([1, 2])
    const unsafe = await finished(
      launchFetchFile(server.api.url, fileOf(line('unsafe')), { options: { retry: { ...retry, unsafe: true } } }),
    )
    expect(await attempts(unsafe.id)).toEqual([2])
  })
})

describe('a file that can be no source', () => {
  const present = async () => ({ runs: await countRuns(), files: uploadsIn(server.dataDir) })

  it.each([
    ['no line', '\r\n  \n', 'INVALID', 'the file has no line: an item a line is expected'],
    ['nothing', '', 'INVALID', 'the file has no line: an item a line is expected'],
    ['UTF-16', Buffer.from('\ufeff1\n2', 'utf16le'), 'INVALID', 'the file is UTF-16: UTF-8 is expected'],
    [
      'too many lines',
      '1\n'.repeat(20_001),
      'TOO_MANY_ITEMS',
      'the file has more than 20000 lines: launch several batches',
    ],
    ['too many bytes', `"${'x'.repeat(MAX_FILE_BYTES)}"`, 'INVALID', `the file is larger than ${MAX_FILE_BYTES} bytes`],
  ])('is refused, and not kept: %s', async (_what, content, code, message) => {
    const earlier = await present()
    const launched = await launchComputeFile(server.api.url, fileOf(content), { function: 'same' })
    const field = ['input', 'source', 'file']
    expect(launched).toEqual({
      deduplicated: false,
      run: null,
      userErrors: [{ code, message, field, retryAfterMs: null }],
    })
    expect(await present()).toEqual(earlier)
  })

  it('is told with every other problem of the launch', async () => {
    const earlier = await present()
    const options = { lanes: 10_000, retry: { maxAttempts: 0 } }
    const { userErrors } = await launchComputeFile(server.api.url, fileOf(''), { function: 'nothing', options })
    expect(userErrors.map(({ field }) => field?.join('.'))).toEqual([
      'input.function',
      'input.source.file',
      'input.options.lanes',
      'input.options.retry.maxAttempts',
    ])
    expect(await present()).toEqual(earlier)
  })

  it('is one where nothing is launched for another reason', async () => {
    const earlier = await present()
    const launched = await launchComputeFile(server.api.url, fileOf('1'), { function: 'nothing' })
    expect(launched.userErrors).toMatchObject([{ code: 'UNKNOWN_FUNCTION' }])
    const invalid = await send(server.api.url, formOf('mutation($f: Upload!) { nothing(f: $f) }', { f: fileOf('1') }))
    expect(invalid.body.errors?.[0]?.extensions?.code).toBe('BAD_USER_INPUT')
    expect(await present()).toEqual(earlier)
  })
})

describe('an upload that breaks off', () => {
  const QUERY =
    'mutation($f: Upload!) { launchComputeBatch(input: { function: "same", source: { file: $f } }) { run { id } } }'
  const operations = { name: 'operations', content: JSON.stringify({ query: QUERY, variables: { f: null } }) }
  const map = { name: 'map', content: '{"0":["variables.f"]}' }

  it('leaves no file and no run', async () => {
    const earlier = { runs: await countRuns(), files: uploadsIn(server.dataDir).length }
    const body = bodyOf([operations, map, { name: '0', file: 'a.jsonl', content: '1\n'.repeat(400_000) }])
    const upload = openUpload(server.api.url, body.length)
    await upload.write(body.subarray(0, 500_000))
    await until(() => uploadsIn(server.dataDir).length > earlier.files)
    upload.destroy()
    await until(() => uploadsIn(server.dataDir).length === earlier.files)
    expect(await countRuns()).toBe(earlier.runs)
  })

  it('is refused where the request ends before its parts do', async () => {
    const earlier = { runs: await countRuns(), files: uploadsIn(server.dataDir).length }
    const whole = bodyOf([operations, map, { name: '0', file: 'a.jsonl', content: '1\n2\n3' }])
    for (const cut of [20, 4, whole.length - 30, whole.length - 60]) {
      const body = whole.subarray(0, whole.length - cut)
      const upload = openUpload(server.api.url, body.length)
      await upload.write(body)
      await until(() => upload.received().includes('\r\n\r\n'))
      expect(upload.received()).toMatch(/^HTTP\/1.1 400 /)
      upload.destroy()
    }
    expect({ runs: await countRuns(), files: uploadsIn(server.dataDir).length }).toEqual(earlier)
  })
})

describe('a launch that is repeated under its key', () => {
  it('answers with the first run where the file is equal, whatever it is called, and is refused where it is not', async () => {
    const files = uploadsIn(server.dataDir).length
    const options = { idempotencyKey: 'file-1' }
    const rest = { function: 'same', options }
    const first = await launchComputeFile(server.api.url, fileOf('1\n2', 'a.jsonl'), rest)
    const again = await launchComputeFile(server.api.url, fileOf('1\n2', 'b.jsonl'), rest)
    expect(again).toMatchObject({ deduplicated: true, run: { id: first.run?.id } })
    expect(uploadsIn(server.dataDir)).toHaveLength(files + 1)
    const other = await launchComputeFile(server.api.url, fileOf('1\n3', 'a.jsonl'), rest)
    expect(other).toMatchObject({ run: null, userErrors: [{ code: 'IDEMPOTENCY_CONFLICT' }] })
    expect(uploadsIn(server.dataDir)).toHaveLength(files + 1)
    expect(await server.api.ended(first.run?.id ?? '')).toBe('SUCCEEDED')
  })

  it('is one launch where both come at once', async () => {
    const files = uploadsIn(server.dataDir).length
    const rest = { function: 'same', options: { idempotencyKey: 'file-2' } }
    const both = await Promise.all(
      ['a', 'b'].map((name) => launchComputeFile(server.api.url, fileOf('5\n6', name), rest)),
    )
    expect(new Set(both.map(({ run }) => run?.id)).size).toBe(1)
    expect(both.map(({ deduplicated }) => deduplicated).sort()).toEqual([false, true])
    expect(uploadsIn(server.dataDir)).toHaveLength(files + 1)
  })

  it('may use one file for several launches', async () => {
    const files = uploadsIn(server.dataDir).length
    const query = `mutation($f: Upload!) {
      a: launchComputeBatch(input: { function: "same", source: { file: $f } }) { run { id } }
      b: launchComputeBatch(input: { function: "nothing", source: { file: $f } }) { run { id } }
      c: launchComputeBatch(input: { function: "same", source: { file: $f }, reduce: SUM }) { run { id } }
    }`
    const { body } = await send<Record<'a' | 'b' | 'c', { run: { id: string } | null }>>(
      server.api.url,
      formOf(query, { f: fileOf('5\n6') }),
    )
    expect(body.data?.b).toEqual({ run: null })
    for (const launched of [body.data?.a, body.data?.c]) {
      expect(await server.api.ended(launched?.run?.id ?? '')).toBe('SUCCEEDED')
    }
    expect(uploadsIn(server.dataDir)).toHaveLength(files + 1)
  })
})

describe('a run whose file is gone', () => {
  /** The files of these launches are removed while their first item is in service, and the first 1,000 are in memory. */
  async function remove(launch: () => Promise<Launched>, begun: Promise<void>): Promise<string> {
    const earlier = new Set(uploadsIn(server.dataDir))
    const id = await server.api.start(launch())
    await begun
    for (const name of uploadsIn(server.dataDir)) {
      if (!earlier.has(name)) rmSync(join(server.dataDir, 'uploads', name))
    }
    return id
  }

  const expected = {
    status: 'FAILED',
    failure: {
      code: 'INVALID_INPUT',
      message: 'the items could not be read: the uploaded file cannot be read: ENOENT: no such file or directory',
    },
    progress: { succeeded: 1_000, failed: 0, skipped: 500 },
  }

  it('gives up, says why, and blames no task', async () => {
    const gates = new Gates()
    await gates.listen()
    const options = { strategy: 'SEQUENTIAL' }
    const inputs = [gates.input('first'), ...Array.from({ length: 1_499 }, () => ({ do: 'echo', value: 1 }))]
    // Of a fetch more is read ahead, by host: how much by the time that the file goes hangs on the machine.
    const count = 12_000
    const urls = [`${origin.url}/hold/gone`, ...Array.from({ length: count - 1 }, () => `${origin.url}/ok`)]
    const compute = await remove(
      () => launchComputeFile(server.api.url, fileOf(inputs), { function: 'act', options }),
      gates.reached('first'),
    )
    const fetch = await remove(
      () => launchFetchFile(server.api.url, fileOf(urls.join('\n')), { options }),
      origin.arrived('/hold/gone'),
    )
    gates.open('first')
    origin.release('/hold/gone')
    await Promise.all([server.api.ended(compute), server.api.ended(fetch)])
    const fields = 'status failure { code message } progress { succeeded failed skipped }'
    expect(await server.api.run(compute, fields)).toEqual(expected)
    const told = await server.api.run<typeof expected>(fetch, fields)
    expect(told).toMatchObject({ ...expected, progress: { failed: 0 } })
    expect(told.progress.succeeded + told.progress.skipped).toBe(count)
    expect(told.progress.skipped).toBeGreaterThan(0)
    await gates.close()
  })
})

describe('curl, as the documents say', () => {
  const root = new URL('../../', import.meta.url)
  const blocks = ['README.md', 'docs/files.md'].flatMap((page) =>
    Array.from(readFileSync(new URL(page, root), 'utf8').matchAll(/```sh\n(.*?)```/gs), ([, code = '']) => ({
      page,
      code,
    })),
  )
  const launches = blocks.filter(({ code }) => code.includes('-F operations='))

  it('is there for both kinds', () => {
    expect(launches.map(({ page }) => page)).toEqual(['README.md', 'docs/files.md', 'docs/files.md'])
  })

  it.each(launches)('launches a batch that runs: $page', async ({ code }) => {
    const script = code
      .replaceAll('http://127.0.0.1:4000', server.api.url)
      .replaceAll('https://example.com/search', `${origin.url}/echo`)
      .replaceAll('https://example.com', `${origin.url}/ok`)
      // As many lines as the servers of these tests take.
      .replace('seq 1 100000', 'seq 1 1000')
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { cwd: server.dataDir })
    const { data } = JSON.parse(stdout) as { data: Record<string, Launched> }
    const [launched] = Object.values(data)
    expect(launched?.userErrors).toEqual([])
    expect(await server.api.ended(launched?.run?.id ?? '')).toBe('SUCCEEDED')
  })
})

async function sha256Of(file: File): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer())
  return Buffer.from(digest).toString('hex')
}

describe('what a restart finds', () => {
  it('keeps the files of runs, and removes those of nobody', async () => {
    const own = await startTestServer({ HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR })
    try {
      const id = await own.api.finish(launchComputeFile(own.api.url, fileOf('1\n2'), { function: 'same' }))
      const [kept = ''] = uploadsIn(own.dataDir)
      const folder = join(own.dataDir, 'uploads')
      writeFileSync(join(folder, '00000000-0000-4000-8000-000000000000'), 'lost')
      writeFileSync(join(folder, 'notes.txt'), 'of somebody else')
      await own.restart()
      expect(uploadsIn(own.dataDir).sort()).toEqual([kept, 'notes.txt'].sort())
      expect(readFileSync(join(folder, kept), 'utf8')).toBe('1\n2')
      expect(await own.api.tasks(id, 'input')).toEqual([{ input: 1 }, { input: 2 }])
    } finally {
      await own.close()
    }
  })
})
