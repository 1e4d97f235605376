/** A store of bodies without the store's threads: what the writer's thread does, step by step, and what is on disk then. */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type Database from 'better-sqlite3'
import type { StageSpec } from '../../src/domain/batch.js'
import { stagedName, stagedStem } from '../../src/domain/blob.js'
import type { RunKey } from '../../src/domain/ids.js'
import { BlobFiles } from '../../src/store/blobs.js'
import { Committer } from '../../src/store/committer.js'
import { openWriter } from '../../src/store/database.js'
import { Publisher } from '../../src/store/publisher.js'
import { Purger } from '../../src/store/purge.js'
import type { Commit, Leftover } from '../../src/store/store.js'
import { StoredBodies } from '../../src/store/stored-bodies.js'
import { block, commitOf, databaseFolder, fetchDetail, insertRun, newRun, type ReportedTask, RUNNING } from './store.js'

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

export function storingStage(bodyPolicy: 'STORE' | 'DISCARD' = 'STORE'): StageSpec {
  const fetch = { bodyPolicy, maxBytes: 1e9, maxRedirects: 5, headers: [], okStatuses: null }
  return { kind: 'FETCH', name: 'fetch', fetch }
}

export interface StoringRun {
  id: number
  key: RunKey
  /** Rows written so far. */
  rows: number
}

/** A task that fetched this text. */
export function fetchedTask(index: number, text: string, more: Partial<ReportedTask> = {}): ReportedTask {
  return { index, fetch: { ...fetchDetail, bytes: Buffer.byteLength(text), sha256: sha256(text) }, ...more }
}

export class BodyWorld {
  readonly dir: string
  db: Database.Database
  committer: Committer
  purger: Purger
  readonly #link: ((from: string, to: string) => void) | undefined
  readonly #remove: () => void

  static async open(link?: (from: string, to: string) => void): Promise<BodyWorld> {
    return new BodyWorld(await databaseFolder(), link)
  }

  private constructor(
    private readonly folder: { path: string; remove(): void },
    link: ((from: string, to: string) => void) | undefined,
  ) {
    this.dir = join(dirname(folder.path), 'blobs')
    this.#link = link
    this.#remove = folder.remove
    const parts = this.#start()
    this.db = parts.db
    this.committer = parts.committer
    this.purger = parts.purger
  }

  /** As after a kill: nothing of the process is left, and everything of the disk. */
  restart(): void {
    this.db.close()
    Object.assign(this, this.#start())
  }

  #start(): { db: Database.Database; committer: Committer; purger: Purger } {
    const db = openWriter(this.folder.path)
    const files = new BlobFiles(this.dir, this.#link)
    const publisher = new Publisher(db, files)
    files.prepare()
    publisher.recover()
    return {
      db,
      committer: new Committer(db, publisher),
      purger: new Purger(db, files, join(this.dir, '..', 'uploads')),
    }
  }

  launch(stages: StageSpec[] = [storingStage()]): StoringRun {
    const run = newRun({ spec: { kind: 'FETCH', stages } })
    return { id: insertRun(this.db, run), key: run.key, rows: 0 }
  }

  /** Leaves a body as a lane does; answers with its staged name. */
  stage({ key }: StoringRun, index: number, text: string, stage = 0): string {
    const name = stagedName(stagedStem({ run: key, stage }, index), sha256(text))
    writeFileSync(join(this.dir, 'tmp', name), text)
    return name
  }

  commitOf(run: StoringRun, tasks: readonly ReportedTask[], { ends = false, stage = 0 } = {}): Commit {
    const blocks = tasks.length > 0 ? [block(tasks, { firstSequence: run.rows + 1, stage })] : []
    const end = ends ? ({ status: 'SUCCEEDED', finishedAt: new Date(0) } as const) : {}
    return commitOf({ ...RUNNING, id: run.id }, blocks, end)
  }

  commit(run: StoringRun, tasks: readonly ReportedTask[], options: { ends?: boolean; stage?: number } = {}): void {
    this.committer.commit([this.commitOf(run, tasks, options)])
    run.rows += tasks.length
  }

  /** Stages and commits these texts, from the index `run.rows` on. */
  store(run: StoringRun, texts: readonly string[], options: { ends?: boolean } = {}): void {
    const tasks = texts.map((text, at) => {
      this.stage(run, run.rows + at, text)
      return fetchedTask(run.rows + at, text)
    })
    this.commit(run, tasks, options)
  }

  /** A commit whose transaction fails at its end. */
  failToCommit(run: StoringRun, tasks: readonly ReportedTask[]): void {
    const missing = commitOf({ ...RUNNING, id: 1e6 }, [])
    let failure: unknown = null
    try {
      this.committer.commit([this.commitOf(run, tasks), missing])
    } catch (error) {
      failure = error
    }
    if (failure === null) throw new Error('the commit was to fail')
  }

  /** Deletes a run, bodies and rows; answers with what was left after each step. */
  purgeAll(id: number): (Leftover | null)[] {
    const steps: (Leftover | null)[] = []
    do steps.push(...this.purger.purgeRuns([id]))
    while (steps.at(-1) !== null)
    return steps
  }

  bodies(): StoredBodies {
    return new StoredBodies(this.db, this.dir)
  }

  /** The texts of the final files, each checked against its name. */
  texts(): string[] {
    return readdirSync(this.dir)
      .filter((folder) => folder !== 'tmp')
      .flatMap((folder) => readdirSync(join(this.dir, folder)).map((rest) => this.#text(folder, rest)))
      .sort()
  }

  #text(folder: string, rest: string): string {
    const text = readFileSync(join(this.dir, folder, rest), 'utf8')
    if (sha256(text) !== folder + rest) throw new Error(`${folder}/${rest} is not what its name says`)
    return text
  }

  staged(): string[] {
    return readdirSync(join(this.dir, 'tmp'))
  }

  count(table: string): number {
    return this.db.prepare<[], number>(`SELECT count(*) FROM "${table}"`).pluck().get()!
  }

  close(): void {
    this.db.close()
    this.#remove()
  }
}
