/** What every store promises of the files of runs; see src/store/store.ts. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isUnsendable } from '../../src/domain/batch.js'
import type { NewRun, Store } from '../../src/store/store.js'
import { tableOf } from '../support/files.js'
import { databaseFolder, newRun, openStore, purgeStep } from '../support/store.js'

const FILE = '0f8fad5b-d9cb-469f-a165-70867728950e'
const OTHER = '7c9e6679-7425-40de-944b-e07fc1f90ae7'

let folder: Awaited<ReturnType<typeof databaseFolder>>
let store: Store
let uploadsDir: string

beforeEach(async () => {
  folder = await databaseFolder()
  uploadsDir = join(dirname(folder.path), 'uploads')
  mkdirSync(uploadsDir)
  store = await openStore(folder.path)
})
afterEach(async () => {
  await store.close()
  folder.remove()
})

async function reopen(): Promise<void> {
  await store.close()
  store = await openStore(folder.path)
}

function fileRun(content: string | Buffer, form: 'inputs' | 'requests' = 'inputs', file = FILE): NewRun {
  writeFileSync(join(uploadsDir, file), content)
  const { stretches, count } = tableOf(content)
  const source = { kind: 'file' as const, form, name: 'a', bytes: content.length, sha256: '', count }
  return newRun({ spec: { source }, file: { file, stretches } })
}

/** Only ended runs are deleted. */
function endRun(id: number): void {
  const db = new Database(folder.path)
  db.prepare('UPDATE "Run" SET "status" = \'SUCCEEDED\', "finishedAt" = 1 WHERE "id" = ?').run(id)
  db.close()
}

describe('the file of a run', () => {
  it('is found again, also after a restart', async () => {
    const run = fileRun('1\n2')
    const { run: record } = await store.createRun(run)
    const expected = { path: join(uploadsDir, FILE), stretches: tableOf('1\n2').stretches }
    expect(await store.sourceFile(record.id)).toEqual(expected)
    await reopen()
    expect(await store.sourceFile(record.id)).toEqual(expected)
    expect((await store.run(run.key))?.spec).toEqual(run.spec)
    const { run: ranged } = await store.createRun(newRun())
    expect(await store.sourceFile(ranged.id)).toBe(null)
  })

  it('has inputs as its items, a bad line as its text', async () => {
    const { run } = await store.createRun(fileRun(`{"a":[1]}\n\n"ü"\nbad ${'x'.repeat(1_000)}\nnull`))
    expect(await store.items(run.id, [3, 0, 1, 2])).toEqual(
      new Map<number, unknown>([
        [3, null],
        [0, { a: [1] }],
        [1, 'ü'],
        [2, `bad ${'x'.repeat(196)}...`],
      ]),
    )
  })

  it('has requests as its items, a bad line as one that cannot be sent', async () => {
    const { run } = await store.createRun(fileRun('http://a.example/\n{"url":"http://b.example/"}\nbad', 'requests'))
    const items = await store.items(run.id, [0, 1, 2])
    expect([items.get(0), items.get(1)]).toEqual([
      'http://a.example/',
      { url: 'http://b.example/', method: 'GET', headers: [], body: null },
    ])
    expect(isUnsendable(items.get(1))).toBe(false)
    expect(isUnsendable(items.get(2))).toBe(true)
    expect(items.get(2)).toMatchObject({ url: 'bad', problem: '"bad" is not an absolute URL' })
  })

  it('is read some long lines at a time, and always at least one', async () => {
    const line = JSON.stringify('x'.repeat(5_000_000))
    const { run } = await store.createRun(fileRun([line, line, line, line, '1'].join('\n')))
    expect([...(await store.items(run.id, [0, 1, 2, 3, 4])).keys()]).toEqual([0, 1, 2])
    expect([...(await store.items(run.id, [3, 4])).keys()]).toEqual([3, 4])
  })

  it('is told to be unreadable from the first item on that is', async () => {
    const lines = Array.from({ length: 1_500 }, (_, at) => at)
    const { run } = await store.createRun(fileRun(lines.join('\n')))
    await store.items(run.id, [0])
    rmSync(join(uploadsDir, FILE))
    expect([...(await store.items(run.id, [998, 999, 1_000])).keys()]).toEqual([998, 999])
    await expect(store.items(run.id, [1_000])).rejects.toThrow('the uploaded file cannot be read: ENOENT')
    // The thread goes on.
    expect((await store.items(run.id, [5])).get(5)).toBe(5)
  })

  it('is not written down where its run is not', async () => {
    const idempotency = { space: '', key: 'k', inputHash: 'h' }
    const first = await store.createRun({ ...fileRun('1'), idempotency })
    const second = await store.createRun({ ...fileRun('1', 'inputs', OTHER), idempotency })
    expect([second.outcome, second.run.id]).toEqual(['existing', first.run.id])
    await reopen()
    expect(readdirSync(uploadsDir)).toEqual([FILE])
  })
})

describe('deleting a run of a file', () => {
  /** As the engine does it, to the end. */
  async function removeRun(runId: number): Promise<void> {
    endRun(runId)
    expect(await store.deleteRun(runId)).toBe(true)
    while ((await purgeStep(store, runId)) !== null);
  }

  it('removes its file, before its rows', async () => {
    const { run } = await store.createRun(fileRun('1'))
    endRun(run.id)
    await store.deleteRun(run.id)
    expect(readdirSync(uploadsDir)).toEqual([FILE])
    expect(await purgeStep(store, run.id)).toBe('FILES')
    expect(readdirSync(uploadsDir)).toEqual([])
    expect(await store.sourceFile(run.id)).toBe(null)
  })

  it('leaves a file that another run has', async () => {
    const shared = fileRun('1')
    const { run: first } = await store.createRun(shared)
    const { run: second } = await store.createRun(newRun({ spec: shared.spec, file: shared.file }))
    await removeRun(first.id)
    expect((await store.items(second.id, [0])).get(0)).toBe(1)
    await removeRun(second.id)
    expect(readdirSync(uploadsDir)).toEqual([])
  })

  it('is made up for at the next start', async () => {
    const { run } = await store.createRun(fileRun('1'))
    const { run: other } = await store.createRun(fileRun('2', 'inputs', OTHER))
    endRun(run.id)
    await store.deleteRun(run.id)
    await reopen()
    expect(readdirSync(uploadsDir)).toEqual([OTHER])
    expect([await store.sourceFile(run.id), (await store.items(other.id, [0])).get(0)]).toEqual([null, 2])
    while ((await purgeStep(store, run.id)) !== null);
    expect(await store.deletedRuns()).toEqual([])
  })
})
