import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { databasePath, lockDatabase } from '../../../src/store/database.js'
import { createStore } from '../../../src/store/open.js'
import { databaseFolder, migrationsDir, newRun, openStore } from '../../support/store.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-database-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('databasePath', () => {
  it('takes a file URL or a path', () => {
    expect(databasePath('file:./data/heddle.db')).toBe('./data/heddle.db')
    expect(databasePath('file:/var/lib/heddle.db')).toBe('/var/lib/heddle.db')
    expect(databasePath('data/heddle.db')).toBe('data/heddle.db')
  })

  it.each(['postgres://localhost/heddle', 'libsql://a', 'file:', ':memory:', 'file::memory:'])('refuses %s', (url) => {
    expect(() => databasePath(url)).toThrow(/expected a database URL such as file:/)
  })
})

describe('lockDatabase', () => {
  it('is held by one, and free again after its release', () => {
    const path = join(folder, 'deep', 'down', 'heddle.db')
    const lock = lockDatabase(path)
    expect(() => lockDatabase(path)).toThrow(/in use by another process/)
    lock.release()
    lockDatabase(path).release()
  })
})

describe('createStore', () => {
  it('creates folder and database', async () => {
    const path = join(folder, 'data', 'heddle.db')
    const store = await openStore(path)
    const { run } = await store.createRun(newRun())
    await store.close()
    const again = await openStore(path)
    expect(await again.run(run.key)).toEqual(run)
    await again.close()
  })

  it('creates files for their owner alone, whatever the folder and the umask allow', async () => {
    chmodSync(folder, 0o777)
    const umask = process.umask(0)
    try {
      const store = await openStore(join(folder, 'heddle.db'))
      await store.createRun(newRun())
      const rights = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o077])
      await store.close()
      expect(rights.length).toBeGreaterThan(3)
      expect(rights.filter(([, others]) => others !== 0)).toEqual([])
    } finally {
      process.umask(umask)
    }
  })

  it('leaves one file of the database behind', async () => {
    const path = join(folder, 'heddle.db')
    const store = await openStore(path)
    await store.createRun(newRun())
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
    await store.close()
    expect(() => statSync(`${path}-wal`)).toThrow()
  })

  it('is refused while the database is open, and leaves it alone', async () => {
    const own = await databaseFolder()
    const store = await own.open()
    await expect(own.open()).rejects.toMatchObject({ name: 'StoreError', code: 'IN_USE' })
    await store.createRun(newRun())
    await store.close()
    own.remove()
  })

  it('tells of a file that is no database, and does not touch it', async () => {
    const path = join(folder, 'heddle.db')
    const text = 'These are my notes, and they are quite long: longer than the header of a database is.'.repeat(20)
    writeFileSync(path, text)
    await expect(openStore(path)).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(path) })
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('tells of a damaged database', async () => {
    const own = await databaseFolder()
    const bytes = readFileSync(own.path)
    bytes.fill(0x5a, 100, 8192)
    writeFileSync(own.path, bytes)
    await expect(own.open()).rejects.toMatchObject({ code: 'CORRUPT' })
    own.remove()
  })

  it('tells of a place where no file can be', async () => {
    mkdirSync(join(folder, 'heddle.db'))
    await expect(openStore(join(folder, 'heddle.db'))).rejects.toMatchObject({ code: 'UNREACHABLE' })
    writeFileSync(join(folder, 'file'), '')
    await expect(openStore(join(folder, 'file', 'heddle.db'))).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  it('lets go of everything when a thread cannot start', async () => {
    const path = join(folder, 'heddle.db')
    const missing = new URL('file:///nowhere/entry.js')
    const options = {
      url: `file:${path}`,
      dataDir: folder,
      uploadsDir: folder,
      migrationsDir,
      writerEntry: missing,
      readerEntry: missing,
    }
    await expect(createStore(options)).rejects.toThrow(/Cannot find module/)
    await (await openStore(path)).close()
  })
})
