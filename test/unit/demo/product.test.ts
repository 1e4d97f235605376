import { mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startProduct } from '../../../src/demo/product.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-product-test-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** A program that stands in for the server. */
async function program(name: string, code: string): Promise<string> {
  const path = join(folder, `${name}.mjs`)
  await writeFile(path, code)
  return path
}

const ANNOUNCE = `console.log(JSON.stringify({ level: 'info', url: 'http://127.0.0.1:1', env: process.env, pid: process.pid }))`
const STAY = 'setInterval(() => {}, 60_000)'

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('startProduct', () => {
  const signal = new AbortController().signal

  it('finds the address among the lines of the log, and ends the process', async () => {
    const code = `console.log('no JSON'); console.log('{"msg":"starting"}'); console.log('null'); ${ANNOUNCE}; ${STAY}`
    const product = await startProduct({ entry: await program('server', code), dataDir: folder, signal })
    expect(product.url).toBe('http://127.0.0.1:1')
    await product.stop()
    await product.stop()
    await expect(product.failure).rejects.toThrow('SIGTERM')
  })

  it('gives an environment of its own', async () => {
    const file = join(folder, 'environment.json')
    const code = `import { writeFileSync } from 'node:fs'
      writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.env)); ${ANNOUNCE}; ${STAY}`
    const product = await startProduct({ entry: await program('environment', code), dataDir: '/some/data', signal })
    await product.stop()
    const { default: environment } = await import(file, { with: { type: 'json' } })
    expect(environment).toMatchObject({ PORT: '0', HEDDLE_DATA_DIR: '/some/data', HEDDLE_ALLOW_HOSTS: '127.0.0.1' })
    expect(environment.HOME).toBeUndefined()
  })

  it('tells what a server printed that did not start', async () => {
    const entry = await program('broken', `console.error('PORT is "x"'); process.exit(3)`)
    const starting = startProduct({ entry, dataDir: folder, signal })
    await expect(starting).rejects.toThrow(/it ended with exit code 3\n {2}PORT is "x"/)
  })

  it('tells of a server that ended while it was needed', async () => {
    const entry = await program('dying', `${ANNOUNCE}; process.stdin.resume(); setImmediate(() => process.exit(4))`)
    const product = await startProduct({ entry, dataDir: folder, signal })
    await expect(product.failure).rejects.toThrow('exit code 4')
    await product.stop()
  })

  it('ends the process where it is interrupted before the server listens', async () => {
    const own = await mkdtemp(join(folder, 'slow-'))
    const [written, file] = [join(own, 'written'), join(own, 'pid')]
    const code = `import { renameSync, writeFileSync } from 'node:fs'
      writeFileSync(${JSON.stringify(written)}, String(process.pid))
      renameSync(${JSON.stringify(written)}, ${JSON.stringify(file)}); ${STAY}`
    const abort = new AbortController()
    const started = (async () => {
      for await (const { filename } of watch(own)) if (filename === 'pid') return
    })()
    const starting = startProduct({ entry: await program('slow', code), dataDir: folder, signal: abort.signal })
    await started
    abort.abort(new Error('interrupted'))
    await expect(starting).rejects.toThrow('interrupted')
    const pid = Number(await readFile(file, 'utf8'))
    expect(alive(pid)).toBe(false)
  })

  it('starts nothing once it is interrupted', async () => {
    const starting = startProduct({
      entry: '/nowhere',
      dataDir: folder,
      signal: AbortSignal.abort(new Error('too late')),
    })
    await expect(starting).rejects.toThrow('too late')
  })
})
