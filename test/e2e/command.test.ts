import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runToEnd, type ServerProcess, startProcess } from '../support/process.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

let folder: string
const started: ServerProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-command-'))
})

afterEach(async () => {
  for (const server of started.splice(0)) await server.end('SIGKILL')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

let folders = 0

function dataDir(): string {
  folders += 1
  return join(folder, `data-${folders}`)
}

async function start(...args: Parameters<typeof startProcess>): Promise<ServerProcess> {
  const server = await startProcess(...args)
  started.push(server)
  return server
}

describe('the folder of the data', () => {
  const rightsIn = async (path: string) => {
    const names = await readdir(path, { recursive: true })
    const all = ['', ...names].map(async (name) => ((await stat(join(path, name))).mode & 0o777).toString(8))
    return new Set((await Promise.all(all)).slice(1))
  }

  it('is created for its owner alone', async () => {
    const path = dataDir()
    const server = await start({ HEDDLE_DATA_DIR: path })
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect(await rightsIn(path)).toEqual(new Set(['600', '700']))
    expect(server.log().filter(({ level }) => level === 'warn')).toEqual([])
  })

  it('keeps the rights that it has, and says so; what is in it is its owner’s alone', async () => {
    const path = dataDir()
    await mkdir(path)
    await chmod(path, 0o755)
    const server = await start({ HEDDLE_DATA_DIR: path })
    expect((await stat(path)).mode & 0o777).toBe(0o755)
    expect(await rightsIn(path)).toEqual(new Set(['600', '700']))
    expect(server.log()).toContainEqual(
      expect.objectContaining({ level: 'warn', folder: path, mode: '755', msg: expect.stringContaining('chmod 700') }),
    )
  })
})

describe('the command', () => {
  it('--help names every setting, as a flag and as a variable, with its default', async () => {
    const { code, stdout, stderr } = await runToEnd(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
    const names = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name ?? '')
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) {
      const flag = `--${name
        .replace(/^HEDDLE_/, '')
        .toLowerCase()
        .replaceAll('_', '-')}`
      expect(stdout).toMatch(new RegExp(`^ +${flag} +${name} +\\S.* \\(.+\\)$`, 'm'))
    }
    expect(stdout).toMatch(/--help/)
    expect(stdout).toMatch(/--version/)
    expect((await runToEnd(['-h', '--port', 'x'])).stdout).toBe(stdout)
  })

  it('--version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await runToEnd(['--version'])).toEqual({ code: 0, signal: null, stdout: `${version}\n`, stderr: '' })
  })

  it('ends with 2 where the environment is wrong, and names every problem', async () => {
    const { code, stdout, stderr } = await runToEnd(['--drain-ms', '-1', '--colour=red', 'serve', '--lanes'], {
      HOST: '0.0.0.0',
      PORT: 'abc',
      HEDDLE_MAX_LANES: '0',
      HEDDLE_LANE_MEMORY_MB: '1.5',
      HEDDLE_INTROSPECTION: 'perhaps',
      HEDDLE_ORIGINS: 'https://app.example/path',
      DATABASE_URL: 'postgres://localhost/heddle',
      LOG_LEVEL: 'loud',
      HEDDLE_DATA_DIR: dataDir(),
    })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    const problems = stderr.split('\n').filter((line) => line.startsWith('  - '))
    for (const named of [
      '"serve"',
      '--colour',
      '--lanes',
      'HOST is "0.0.0.0"',
      'PORT is "abc"',
      'HEDDLE_MAX_LANES is "0"',
      'HEDDLE_LANE_MEMORY_MB is "1.5"',
      'HEDDLE_INTROSPECTION is "perhaps"',
      'HEDDLE_ORIGINS has "https://app.example/path"',
      'DATABASE_URL is "postgres://localhost/heddle"',
      'LOG_LEVEL is "loud"',
      'HEDDLE_DRAIN_MS is "-1"',
    ]) {
      expect(problems.filter((problem) => problem.includes(named))).toHaveLength(1)
    }
    expect(problems).toHaveLength(12)
  })

  it('ends with 2 where an allowed destination is none, and tells it with all else', async () => {
    const settings = { HEDDLE_ALLOW_HOSTS: '127.0.0.1,no name,10.0.0.0/33', PORT: '77777', HEDDLE_DATA_DIR: dataDir() }
    const { code, stdout, stderr } = await runToEnd([], settings)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('HEDDLE_ALLOW_HOSTS')
    expect(stderr).toContain('no name')
    expect(stderr).toContain('77777')
    expect(stderr).toContain('10.0.0.0/33')
    expect(stderr).not.toContain('127.0.0.1')
  })

  it('ends with 1 and the reason where it cannot start', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    const busy = await runToEnd(['--port', String(port)], { HEDDLE_DATA_DIR: dataDir() })
    taken.close()
    expect(busy.code).toBe(1)
    expect(busy.stdout).toContain('EADDRINUSE')

    const damaged = dataDir()
    await mkdir(damaged)
    await writeFile(join(damaged, 'heddle.db'), 'this is no database, and long enough to be read as one. '.repeat(200))
    const corrupt = await runToEnd(['--port', '0'], { HEDDLE_DATA_DIR: damaged })
    expect(corrupt.code).toBe(1)
    expect(corrupt.stdout).toContain('is damaged or no database')

    const file = join(folder, 'a file')
    await writeFile(file, '')
    const impossible = await runToEnd(['--port', '0'], { HEDDLE_DATA_DIR: join(file, 'data') })
    expect(impossible.code).toBe(1)
    expect(impossible.stdout).toContain('a file')
  })
})

describe('a server', () => {
  it('logs JSON lines where nobody looks on, the address first of all', async () => {
    const server = await start({ HEDDLE_DATA_DIR: dataDir(), LOG_LEVEL: 'debug' })
    const { code, stdout, stderr } = await server.end('SIGTERM')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    for (const line of lines) {
      expect(line).toMatchObject({ level: expect.stringMatching(/^(debug|info)$/), msg: expect.any(String) })
      expect(new Date(line.time).toISOString()).toBe(line.time)
    }
    const said = lines.map(({ msg }) => msg).join('\n')
    expect(said).toMatch(/^Heddle is listening on http/)
    expect(said).toMatch(/^leaving/m)
  })

  it('tells its address whatever the level of its log, and nothing else at the highest', async () => {
    const server = await start({ HEDDLE_DATA_DIR: dataDir(), LOG_LEVEL: 'silent' })
    expect(server.log().map(({ url }) => url)).toEqual([server.url])
    await server.api.finish(server.api.launchCompute({ function: 'countPrimes', source: { inputs: [100] } }))
    const { code, stdout } = await server.end('SIGINT')
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  })

  it('is not given a database that another one uses', async () => {
    const shared = dataDir()
    const first = await start({ HEDDLE_DATA_DIR: shared })
    const { code, stdout } = await runToEnd(['--port', '0'], { HEDDLE_DATA_DIR: shared })
    expect(code).toBe(1)
    expect(stdout).toContain('in use by another process')
    const launch = first.api.launchCompute({ function: 'countPrimes', source: { inputs: [100] } })
    expect(await first.api.ended(await first.api.start(launch))).toBe('SUCCEEDED')
    expect((await first.end('SIGTERM')).code).toBe(0)
    const second = await start({ HEDDLE_DATA_DIR: shared })
    expect(await second.api.ask('{ runs { totalCount } }')).toEqual({ runs: { totalCount: 1 } })
  })

  it('starts with npm start, and leaves when npm is told to', async () => {
    const server = await start({ HEDDLE_DATA_DIR: dataDir() }, { command: ['npm', 'start', '--silent'], cwd: ROOT })
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    const { code, stdout } = await server.end('SIGTERM')
    expect(code).toBe(0)
    expect(stdout).toContain('leaving')
  })
})

describe('a server with functions and settings of its owner', () => {
  const functions = () => join(folder, 'functions')
  const flagged = () => join(folder, 'flagged')
  let server: ServerProcess

  beforeAll(async () => {
    await mkdir(functions())
    const good = `export default { name: 'double', description: 'x', inputSchema: { type: 'number' }, run: (n) => 2 * n }`
    await writeFile(join(functions(), 'good.mjs'), good)
    await writeFile(join(functions(), 'broken.mjs'), 'export default {')
    await writeFile(join(functions(), 'odd.js'), 'module.exports = 7')
    server = await startProcess(
      { HEDDLE_DATA_DIR: dataDir(), HEDDLE_MAX_INLINE_ITEMS: '5', HEDDLE_FUNCTIONS_DIR: functions() },
      { args: ['--data-dir', flagged(), '--max-inline-items', '1', '--host', 'localhost'] },
    )
  })

  afterAll(() => server.end('SIGKILL'))

  it('takes flags before the environment', async () => {
    expect(await readFile(join(flagged(), 'heddle.db'))).not.toHaveLength(0)
    const launch = await server.api.launchCompute({ function: 'countPrimes', source: { inputs: [1, 2] } })
    expect(launch.userErrors).toMatchObject([{ code: 'TOO_MANY_ITEMS' }])
  })

  it('tells which functions are left out, and has the others', async () => {
    const told = server.log().filter(({ level }) => level === 'error')
    expect(told.map(({ file, reason }) => ({ file, reason }))).toEqual([
      { file: join(functions(), 'broken.mjs'), reason: expect.stringContaining('SyntaxError') },
      { file: join(functions(), 'odd.js'), reason: expect.stringContaining('not a number') },
    ])
    const launch = server.api.launchCompute({ function: 'double', source: { inputs: [21] } })
    expect(await server.api.tasks(await server.api.finish(launch), 'output')).toEqual([{ output: 42 }])
  })

  it('says that it is alive and ready, shows its front page, and has nothing elsewhere', async () => {
    const answer = async (path: string) => {
      const response = await fetch(server.url + path)
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() }
    }
    const type = 'application/json; charset=utf-8'
    expect(await answer('/health')).toEqual({ status: 200, type, body: '{"status":"ok"}' })
    expect(await answer('/ready')).toEqual({ status: 200, type, body: '{"status":"ready"}' })
    const home = await answer('/')
    expect(home).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
    expect(home.body).toContain('href="/graphql"')
    for (const path of ['/nothing', '/graphql/nothing', '/health/nothing', '/..%2f..%2fpackage.json']) {
      const missing = await answer(path)
      expect(missing).toMatchObject({ status: 404, type })
      expect(JSON.parse(missing.body)).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] })
    }
  })
})
