/** Stored bodies over kills: nothing by halves under a final name, and nothing left that no run holds. */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Origin, startOrigin } from '../support/origin.js'
import { letters } from '../support/origin-routes.js'
import { type ServerProcess, startProcess } from '../support/process.js'
import { until } from '../support/until.js'

let origin: Origin
let dataDir: string
let server: ServerProcess

beforeEach(async () => {
  origin = await startOrigin()
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-bodies-'))
  server = await start()
})

afterEach(async () => {
  await server.end('SIGKILL')
  await origin.close()
  await rm(dataDir, { recursive: true, force: true })
})

function start(settings: Record<string, string> = {}): Promise<ServerProcess> {
  return startProcess({ HEDDLE_DATA_DIR: dataDir, HEDDLE_ALLOW_HOSTS: '127.0.0.1', ...settings })
}

/** Bodies of n letters, n from `from` to `to`: all different. */
function launch(from: number, to: number, options: object = {}): Promise<string> {
  const source = { template: { template: `${origin.url}/bytes?n={i}`, from, to } }
  const retry = { maxAttempts: 1 }
  return server.api.start(
    server.api.launchFetch({ source, fetch: { bodyPolicy: 'STORE' }, options: { retry, ...options } }),
  )
}

const staged = () => readdirSync(join(dataDir, 'blobs', 'tmp'))

/** The final files, by the two parts of their names. */
function names(): [folder: string, rest: string][] {
  const root = join(dataDir, 'blobs')
  const folders = readdirSync(root).filter((name) => name !== 'tmp')
  return folders.flatMap((folder) => readdirSync(join(root, folder)).map((rest): [string, string] => [folder, rest]))
}

/** The hashes of the final files; throws for one that is not what its name says. */
function files(): Set<string> {
  const found = new Set<string>()
  for (const [folder, rest] of names()) {
    const hash = createHash('sha256')
      .update(readFileSync(join(dataDir, 'blobs', folder, rest)))
      .digest('hex')
    if (hash !== folder + rest) throw new Error(`${folder}/${rest} is not what its name says`)
    found.add(hash)
  }
  return found
}

function read<T>(sql: string): T[] {
  const db = new Database(join(dataDir, 'heddle.db'), { readonly: true })
  try {
    return db.prepare<[], T>(sql).pluck().all()
  } finally {
    db.close()
  }
}

const held = () => new Set(read<string>('SELECT DISTINCT lower(hex("sha256")) FROM "RunBlob"'))

/** What was stored is there, and nothing besides. */
function expectSettled(hashes: Set<string>): void {
  expect(held()).toEqual(hashes)
  expect(files()).toEqual(hashes)
  expect(staged()).toEqual([])
}

function hashesOf(from: number, to: number): Set<string> {
  const hashes = new Set<string>()
  for (let n = from; n <= to; n += 1) hashes.add(createHash('sha256').update(letters(n)).digest('hex'))
  return hashes
}

const DELETE = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code } } }'

describe('a server that is killed while it stores bodies', () => {
  it.each(['ASYNC', 'PROCESSES'])('has all of them in the end, each once, and nothing else: %s', async (strategy) => {
    const id = await launch(500, 2_499, { strategy, lanes: 2 })
    for (const done of [1, 300, 900]) {
      const query = 'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { done } } }'
      type Update = { runUpdated: { progress: { done: number } } }
      for await (const { runUpdated } of server.api.subscribe<Update>(query, { id })) {
        if (runUpdated.progress.done >= done) break
      }
      await server.end('SIGKILL')
      // A row is never without its body, not at any moment.
      const there = files()
      for (const hash of held()) expect(there.has(hash)).toBe(true)
      server = await start()
      expect(files().size).toBeGreaterThanOrEqual(done)
    }
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    expectSettled(hashesOf(500, 2_499))
  })

  it('leaves no half of a body behind', async () => {
    const source = { urls: [`${origin.url}/hold-large`, `${origin.url}/bytes?n=100`] }
    const input = { source, fetch: { bodyPolicy: 'STORE' } }
    const id = await server.api.start(server.api.launchFetch(input))
    await until(() => staged().some((name) => name.endsWith('.part')))
    expect((await server.end('SIGKILL')).signal).toBe('SIGKILL')
    expect(staged().some((name) => name.endsWith('.part'))).toBe(true)
    origin.release('/hold-large')
    server = await start()
    expect(await server.api.ended(id)).toBe('SUCCEEDED')
    const large = createHash('sha256').update(letters(200_000).repeat(2)).digest('hex')
    expectSettled(new Set([large, ...hashesOf(100, 100)]))
    const [task] = await server.api.tasks<{ body: string; bodyUrl: string }>(id, 'body bodyUrl')
    expect(task?.body).toBe(letters(200_000).repeat(2))
  })
})

describe('a server that is killed while it deletes a run', () => {
  it('goes on after the next start; what other runs hold stays', async () => {
    const kept = await launch(900, 1_100)
    const id = await launch(200, 2_199)
    expect([await server.api.ended(kept), await server.api.ended(id)]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
    const answer = server.api.raw(DELETE, { id }).catch(() => null)
    await until(() => names().length < 2_000)
    await server.end('SIGKILL')
    await answer
    server = await start()
    expect(await server.api.ask('query($id: ID!) { node(id: $id) { id } }', { id })).toEqual({ node: null })
    while (read('SELECT "id" FROM "DeletedRun"').length > 0) await new Promise((resolve) => setImmediate(resolve))
    expectSettled(hashesOf(900, 1_100))
    expect(read('SELECT count(*) FROM "Task"')).toEqual([201])
    expect((await server.api.tasks<{ body: string }>(kept, 'body'))[3]?.body).toBe(letters(903))
  })
})

describe('the folder of the data', () => {
  it('belongs to one server, whatever its database, and to the next one when that has gone', async () => {
    const elsewhere = { DATABASE_URL: `file:${join(dataDir, 'other.db')}` }
    await expect(start(elsewhere)).rejects.toThrow(`the folder ${dataDir} is in use by another process`)
    await server.end('SIGTERM')
    server = await start(elsewhere)
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
  })
})
