import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ExportedRun, ExportFormat } from '../../../src/domain/exports/export.js'
import { ExportReads } from '../../../src/store/export-reads.js'
import { block, listOf, newRun, type TestDatabase, testDatabase } from '../../support/store.js'

const LONG = 'x'.repeat(900_000)

let database: TestDatabase
let exports: ExportReads

beforeAll(async () => {
  database = await testDatabase()
  exports = new ExportReads(database.db, tmpdir())
})
afterAll(() => database.remove())

/** A run of so many tasks, ended in the reverse of their order, to be read. */
function runOf(count: number, output: string): ExportedRun {
  const id = database.insertRun()
  commitTo(id, { from: 0, count, output })
  const { key, spec } = newRun()
  return { id, key, spec, createdAt: new Date(0), startedAt: new Date(0) }
}

function commitTo(id: number, { from, count, output }: { from: number; count: number; output: string }): void {
  const tasks = Array.from({ length: count }, (_, at) => ({ index: from + count - 1 - at, output, startedMs: at }))
  database.commit(id, [block(tasks, { firstSequence: from + 1 })])
}

async function piecesOf(file: number): Promise<string[]> {
  const pieces: string[] = []
  for (let piece = await exports.read(file); piece !== null; piece = await exports.read(file)) {
    pieces.push(new TextDecoder().decode(piece))
  }
  return pieces
}

const indexesOf = (pieces: string[]) =>
  pieces
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).index)

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

describe('an export that is read piece by piece', () => {
  it('has every task once, in the order of their indexes', async () => {
    const pieces = await piecesOf(exports.open(runOf(2_500, '1'), 'NDJSON'))
    expect(pieces.length).toBeGreaterThan(1)
    expect(indexesOf(pieces)).toEqual(numbers(2_500))
  })

  it('has pieces of a bounded size, however long the outputs are', async () => {
    const pieces = await piecesOf(exports.open(runOf(12, JSON.stringify(LONG)), 'NDJSON'))
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(3 * LONG.length)
    expect(indexesOf(pieces)).toEqual(numbers(12))
  })

  it('has what had ended when it was begun', async () => {
    const run = runOf(3_000, '1')
    const file = exports.open(run, 'NDJSON')
    const first = new TextDecoder().decode((await exports.read(file)) ?? undefined)
    commitTo(run.id, { from: 3_000, count: 10, output: '2' })
    expect(indexesOf([first, ...(await piecesOf(file))])).toEqual(numbers(3_000))
    expect(indexesOf(await piecesOf(exports.open(run, 'NDJSON')))).toEqual(numbers(3_010))
  })

  it.each<ExportFormat>(['CSV', 'NDJSON', 'HAR', 'TRACE'])(
    '%s ends with an error where its run is deleted',
    async (format) => {
      const run = runOf(3_000, '1')
      const file = exports.open(run, format)
      // A HAR of computes has nothing in it: it is all read with its first piece.
      if (format !== 'HAR') await exports.read(file)
      database.db.prepare('DELETE FROM "Run" WHERE "id" = ?').run(run.id)
      await expect(piecesOf(file)).rejects.toThrow('was deleted while it was read')
      expect(await exports.read(file)).toBeNull()
    },
  )

  it('ends with an error where tasks are missing', async () => {
    const run = runOf(10, '1')
    database.db.prepare('DELETE FROM "Task" WHERE "runId" = ? AND "sequence" = 5').run(run.id)
    await expect(piecesOf(exports.open(run, 'CSV'))).rejects.toThrow('9 of the 10 tasks')
  })

  it('that is closed has nothing more, and can be closed again', async () => {
    const file = exports.open(runOf(3_000, '1'), 'CSV')
    await exports.read(file)
    exports.close(file)
    exports.close(file)
    expect(await exports.read(file)).toBeNull()
  })

  it('has the items that its run shares with others of a comparison', async () => {
    const id = database.insertRun()
    const key = 'c'.repeat(32)
    const at = database.db
      .prepare(`INSERT INTO "Comparison" ("key", "createdAt", "strategies", "rounds") VALUES (?, 0, '[]', 1)`)
      .run(key)
    database.db.prepare('UPDATE "Run" SET "comparisonId" = ? WHERE "id" = ?').run(at.lastInsertRowid, id)
    database.db
      .prepare('INSERT INTO "ComparisonBlock" VALUES (?, 0, 2, ?)')
      .run(at.lastInsertRowid, '["first","second"]')
    commitTo(id, { from: 0, count: 2, output: '1' })
    const run = { ...listOf(['', '']), id, createdAt: new Date(0), startedAt: null }
    const pieces = await piecesOf(exports.open(run, 'NDJSON'))
    expect(
      pieces
        .join('')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).input),
    ).toEqual(['first', 'second'])
  })

  it('is as good as any beside others', async () => {
    const runs = [runOf(2_000, '1'), runOf(1_500, '2')]
    const files = runs.map((run) => exports.open(run, 'NDJSON'))
    const read = await Promise.all(files.map((file) => piecesOf(file)))
    expect(read.map((pieces) => indexesOf(pieces).length)).toEqual([2_000, 1_500])
  })
})
