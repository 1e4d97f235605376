import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LogSync, syncLog } from '../../../src/store/log-sync.js'
import { databaseFolder, newRun } from '../../support/store.js'

function setup() {
  const syncs: { resolve(): void; reject(error: Error): void }[] = []
  const log = new LogSync(() => new Promise<void>((resolve, reject) => syncs.push({ resolve, reject })))
  const settled: string[] = []
  const ask = (name: string) =>
    log.now().then(
      () => settled.push(name),
      () => settled.push(`${name} failed`),
    )
  return { syncs, settled, ask }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('syncLog', () => {
  it('has nothing to do where the log was folded into the database', async () => {
    const folder = await databaseFolder()
    const store = await folder.open()
    await store.createRun(newRun())
    expect(existsSync(`${folder.path}-wal`)).toBe(true)
    await store.synced()
    await store.close()
    expect(existsSync(`${folder.path}-wal`)).toBe(false)
    await syncLog(folder.path)
    folder.remove()
  })
})

describe('LogSync', () => {
  it('has those who ask meanwhile wait for the next sync, one for all', async () => {
    const { syncs, settled, ask } = setup()
    void ask('first')
    void ask('second')
    void ask('third')
    expect(syncs).toHaveLength(1)
    syncs[0]?.resolve()
    await settle()
    expect([settled, syncs.length]).toEqual([['first'], 2])
    syncs[1]?.resolve()
    await settle()
    expect(settled).toEqual(['first', 'second', 'third'])
    void ask('fourth')
    expect(syncs).toHaveLength(3)
  })

  it('tells of a sync that failed those alone who waited for it', async () => {
    const { syncs, settled, ask } = setup()
    void ask('first')
    void ask('second')
    syncs[0]?.reject(new Error('EIO'))
    await settle()
    syncs[1]?.resolve()
    await settle()
    expect(settled).toEqual(['first failed', 'second'])
  })

  it('has who asks while the next one runs wait for the one after', async () => {
    const { syncs, settled, ask } = setup()
    void ask('first')
    void ask('second')
    syncs[0]?.resolve()
    await settle()
    void ask('third')
    syncs[1]?.resolve()
    await settle()
    expect([settled, syncs.length]).toEqual([['first', 'second'], 3])
    syncs[2]?.resolve()
    await settle()
    expect(settled).toEqual(['first', 'second', 'third'])
  })
})
