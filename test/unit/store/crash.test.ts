/** A process that is killed takes nothing with it that was acknowledged. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { databaseFolder } from '../../support/store.js'

const script = fileURLToPath(new URL('../../support/committing-process.mjs', import.meta.url))

let folder: Awaited<ReturnType<typeof databaseFolder>>
let child: ChildProcess

beforeEach(async () => {
  folder = await databaseFolder()
})
afterEach(() => {
  child.kill('SIGKILL')
  folder.remove()
})

interface Acknowledged {
  run: RunKey
  launched: RunKey[]
  lastSequence: number
}

/** Starts the process and kills it as soon as it has told of so many commits. */
async function commitUntilKilled(commits: number): Promise<Acknowledged> {
  child = spawn(process.execPath, [script, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: Acknowledged = { run: '' as RunKey, launched: [], lastSequence: 0 }
  let left = commits
  for await (const line of createInterface({ input: child.stdout! })) {
    const [word, value = ''] = line.split(' ')
    if (word === 'run') acknowledged.run = value as RunKey
    if (word === 'launched') acknowledged.launched.push(value as RunKey)
    if (word !== 'committed') continue
    acknowledged.lastSequence = Number(value)
    left -= 1
    if (left === 0) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
  return acknowledged
}

describe('a killed process', () => {
  it.each([1, 9, 40])(
    'leaves every launch and commit that was acknowledged, and nothing by halves (%i commits)',
    async (commits) => {
      const { run: key, launched, lastSequence } = await commitUntilKilled(commits)
      const store = await folder.open()
      const run = (await store.run(key))!
      expect(lastSequence).toBeGreaterThan(0)
      expect(run.lastTaskSequence).toBeGreaterThanOrEqual(lastSequence)
      // The last state and the rows are of the same commit.
      const { counts } = run
      expect(await store.countTasks(run.id, {})).toBe(run.lastTaskSequence)
      expect(await store.countTasks(run.id, { status: ['SUCCEEDED'] })).toBe(counts.succeeded)
      expect(await store.countTasks(run.id, { errorCode: 'FUNCTION_ERROR' })).toBe(counts.failed)
      expect((await store.errors(run.id, 1))[0]?.count).toBe(counts.failed)
      expect((await store.endedIndexes(run.id, 0, counts.total)).size).toBe(counts.total)
      for (const each of launched) {
        const found = await store.run(each)
        expect(found?.key).toBe(each)
        expect((await store.items(found!.id, [0, 1, 2])).size).toBe(3)
      }
      await store.close()
      const db = new Database(folder.path, { readonly: true })
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
      db.close()
    },
  )
})

describe('the lock', () => {
  it('keeps a second process out while the first one lives, and no longer', async () => {
    child = spawn(process.execPath, [script, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout!, 'data')
    await expect(folder.open()).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringMatching(/heddle\.db is in use by another process/),
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const store = await folder.open()
    expect(await store.countRuns({})).toBeGreaterThan(0)
    await store.close()
  })
})
