import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stagedName, stagedStem } from '../../src/domain/blob.js'
import type { RunRecord } from '../../src/domain/run.js'
import type { Leftover } from '../../src/store/store.js'
import { block, commitOf, purgeStep } from '../support/store.js'
import { stores, useStore } from '../support/store-subject.js'
import { fetchedTask, sha256, storingStage } from '../support/stored-bodies.js'

const ENDED = { status: 'SUCCEEDED', finishedAt: new Date(0) } as const

describe.each(stores)('the stored bodies of %s', (_, create) => {
  const { current, launch, reopen, write, dataDir } = useStore(create)

  /** Leaves a body as a lane does. */
  function stage({ key }: RunRecord, index: number, text: string, ofStage = 0): void {
    const name = stagedName(stagedStem({ run: key, stage: ofStage }, index), sha256(text))
    writeFileSync(join(dataDir(), 'blobs', 'tmp', name), text)
  }

  async function storing(...texts: string[]): Promise<RunRecord> {
    const run = await launch({ spec: { kind: 'FETCH', stages: [storingStage()] } })
    for (const [index, text] of texts.entries()) stage(run, index, text)
    await write(
      run,
      texts.map((text, index) => fetchedTask(index, text)),
      ENDED,
    )
    return run
  }

  async function purge(run: RunRecord): Promise<(Leftover | null)[]> {
    const steps: (Leftover | null)[] = []
    do steps.push(await purgeStep(current(), run.id))
    while (steps.at(-1) !== null)
    return steps
  }

  const textOf = async (text: string, maxBytes = 1e9) => {
    const bytes = await current().bodyBeginning(sha256(text), maxBytes)
    return bytes && Buffer.from(bytes).toString()
  }

  it('are found by their hash, and read to where it is asked', async () => {
    await storing('one body', '')
    const found = await current().body(sha256('one body'))
    expect(found).toMatchObject({ bytes: 8, path: expect.stringContaining(dataDir()) })
    expect(statSync(found!.path).size).toBe(8)
    expect([
      await textOf('one body'),
      await textOf('one body', 3),
      await textOf('one body', 0),
      await textOf(''),
    ]).toEqual(['one body', 'one', '', ''])
    for (const hash of ['', 'x', sha256('other'), sha256('one body').toUpperCase(), '../../heddle.db']) {
      expect([hash, await current().body(hash), await current().bodyBeginning(hash, 1)]).toEqual([hash, null, null])
    }
  })

  it('are kept of each stage that stores them, one item in several, and of no other', async () => {
    const stages = [storingStage(), storingStage('DISCARD'), storingStage()]
    const run = await launch({ spec: { kind: 'PIPELINE', stages } })
    const texts = ['of the first', 'of the second', 'of the third']
    for (const [ofStage, text] of texts.entries()) stage(run, 0, text, ofStage)
    const blocks = texts.map((text, ofStage) =>
      block([fetchedTask(0, text)], { firstSequence: 1 + ofStage, stage: ofStage }),
    )
    await current().commit([commitOf(run, blocks, ENDED)])
    expect(await Promise.all(texts.map((text) => textOf(text)))).toEqual(['of the first', null, 'of the third'])
    expect(readdirSync(join(dataDir(), 'blobs', 'tmp'))).toEqual([])
  })

  it('are read many at a time', async () => {
    const texts = Array.from({ length: 300 }, (_, at) => `body ${at}`)
    await storing(...texts)
    expect(await Promise.all(texts.map((text) => textOf(text)))).toEqual(texts)
  })

  it('go with the last run that holds them, and are nobody’s before their files are gone', async () => {
    const first = await storing('shared', 'own')
    const second = await storing('shared')
    const own = (await current().body(sha256('own')))!
    expect(await current().deleteRun(first.id)).toBe(true)
    expect([await current().body(sha256('own')), existsSync(own.path)]).toEqual([null, true])
    expect(await textOf('shared')).toBe('shared')
    expect(await purge(first)).toEqual(['ROWS', 'ROWS', null])
    expect(existsSync(own.path)).toBe(false)
    const shared = (await current().body(sha256('shared')))!
    await current().deleteRun(second.id)
    await purge(second)
    expect(existsSync(shared.path)).toBe(false)
  })

  it('are the same after the store was opened again, and what was left is gone', async () => {
    const run = await storing('kept')
    stage(run, 5, 'left')
    await reopen()
    expect(await textOf('kept')).toBe('kept')
    expect(readdirSync(join(dataDir(), 'blobs', 'tmp'))).toEqual([])
  })

  it('fail a start that cannot clear up after the last one, and say where: not in the database', async () => {
    await storing('kept')
    mkdirSync(join(dataDir(), 'blobs', 'tmp', 'folder'))
    const folder = join(dataDir(), 'blobs')
    const failure = await reopen().catch((error: Error) => error.message)
    expect(failure).toContain(`the folder ${folder} of stored bodies cannot be used: EISDIR`)
    expect(failure).not.toContain('the database')
  })
})

describe.each(stores)('a run deleted from %s', (_, create) => {
  const { current, launch, reopen, write } = useStore(create)

  it('is found by nobody from then on, and its key is free', async () => {
    const idempotency = { space: '', key: 'k', inputHash: 'h' }
    const run = await launch({ idempotency, spec: { name: 'gone', labels: [{ name: 'a', value: 'b' }] } })
    const other = await launch()
    await write(run, [{ index: 0 }, { index: 1 }], ENDED)
    const store = current()
    expect(await store.deleteRun(run.id)).toBe(true)
    expect(await store.run(run.key)).toBeNull()
    const page = await store.runs({}, 'CREATED_ASC', { first: 10 })
    expect(page.rows.map(({ row }) => row.id)).toEqual([other.id])
    const byLabel = { labels: [{ name: 'a', value: 'b' }] }
    expect([
      await store.countRuns({}),
      await store.countRuns({ name: 'gone' }),
      await store.countRuns(byLabel),
    ]).toEqual([1, 0, 0])
    expect(await store.earlierRun(idempotency)).toBeNull()
    expect((await launch({ idempotency })).id).toBeGreaterThan(other.id)
  })

  it('has to have ended, and is deleted once', async () => {
    const run = await launch()
    expect([await current().deleteRun(run.id), await current().deleteRun(12_345)]).toEqual([false, false])
    await write(run, [], ENDED)
    const answers = await Promise.all([1, 2, 3].map(() => current().deleteRun(run.id)))
    expect(answers.filter(Boolean)).toHaveLength(1)
  })

  it('is told as deleted until nothing is left of it, also after the store was opened again', async () => {
    const run = await launch()
    await write(run, [{ index: 0 }], ENDED)
    expect(await current().deletedRuns()).toEqual([])
    await current().deleteRun(run.id)
    expect(await current().deletedRuns()).toEqual([run.id])
    await reopen()
    expect(await current().deletedRuns()).toEqual([run.id])
    while ((await purgeStep(current(), run.id)) !== null);
    expect(await current().deletedRuns()).toEqual([])
    expect(await current().countTasks(run.id, {})).toBe(0)
    expect(await purgeStep(current(), run.id)).toBeNull()
  })

  it('makes way for the commits of others between its steps', async () => {
    const run = await launch()
    const other = await launch()
    const tasks = Array.from({ length: 9_000 }, (_, index) => ({ index }))
    await write(run, tasks, ENDED)
    await current().deleteRun(run.id)
    let steps = 0
    for (let rows = 0; ; rows += 1) {
      const [left] = await Promise.all([
        purgeStep(current(), run.id),
        current().commit([commitOf(other, [block([{ index: rows }], { firstSequence: rows + 1 })])]),
      ])
      steps += 1
      if (left === null) break
    }
    expect(steps).toBeGreaterThan(5)
    expect(await current().countTasks(other.id, {})).toBe(steps)
  })
})
