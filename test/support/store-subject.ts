/** The stores that the contract's tests run over. */

import { dirname } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { RunRecord, RunState } from '../../src/domain/run.js'
import type { Store } from '../../src/store/store.js'
import { MemoryStore } from './memory-store.js'
import { block, commitOf, databaseFolder, newRun, type ReportedTask } from './store.js'

/** An implementation under test. */
interface Subject {
  store: Store
  dataDir: string
  /** Closes it, and opens it again over what it has stored. */
  reopen(): Promise<Store>
  remove(): Promise<void>
}

async function sqlite(): Promise<Subject> {
  const folder = await databaseFolder()
  const subject = {
    store: await folder.open(),
    dataDir: dirname(folder.path),
    reopen: async () => {
      await subject.store.close()
      subject.store = await folder.open()
      return subject.store
    },
    remove: async () => {
      await subject.store.close()
      folder.remove()
    },
  }
  return subject
}

/** The store that engine tests run on: it is to keep the same promises. */
async function memory(): Promise<Subject> {
  const disk = new MemoryStore()
  return {
    store: disk.connect().store,
    dataDir: '/nowhere',
    reopen: async () => disk.connect().store,
    remove: async () => {},
  }
}

export const memoryStore: [string, () => Promise<Subject>] = ['memory', memory]
export const stores: [string, () => Promise<Subject>][] = [['sqlite', sqlite]]

/** Gives each test of the suite a store of its own, empty, and the steps that tests share. */
export function useStore(create: () => Promise<Subject>) {
  let subject: Subject
  beforeEach(async () => {
    subject = await create()
  })
  afterEach(() => subject.remove())
  return {
    current: () => subject.store,
    dataDir: () => subject.dataDir,
    reopen: () => subject.reopen(),
    launch: async (run: Parameters<typeof newRun>[0] = {}): Promise<RunRecord> => {
      const created = await subject.store.createRun(newRun(run))
      expect(created.outcome).toBe('created')
      return created.run
    },
    write: (run: RunRecord, tasks: readonly ReportedTask[], changes: Partial<RunState> = {}) =>
      subject.store.commit([commitOf(run, [block(tasks, { firstSequence: 1 })], changes)]),
  }
}
