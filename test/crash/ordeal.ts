/** One server after another over the same data, each killed at a random moment while it runs all kinds of batches. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import type { ApiClient } from '../support/api.js'
import { type Origin, startOrigin } from '../support/origin.js'
import { beginProcess, type ServerProcess, startProcess } from '../support/process.js'
import { type Batch, batchOf } from './batches.js'
import { checkAfterCrash, checkEnd, type LaunchedRun, repeatedAfter } from './checks.js'
import { Random } from './random.js'
import { Witness } from './witness.js'

const FUNCTIONS_DIR = fileURLToPath(new URL('functions', import.meta.url))

interface PauseRun {
  pauseRun: { run: { status: string; progress: { done: number; running: number } } | null }
}

const PAUSE =
  'mutation($id: ID!) { pauseRun(id: $id) { run { status progress { done running } } userErrors { code } } }'
const RESUME = 'mutation($id: ID!) { resumeRun(id: $id) { run { status } userErrors { code } } }'

/** More do not stand still at a time. */
const MAX_PAUSED = 2
/** More are not under way at a time. */
const MAX_RUNS = 6
/** After the start of the server: some runs end, most do not. */
const MAX_LIFE_MS = 2_500
/** Of one run by one crash: those in flight, and those whose answers were on their way to the disk. */
const MAX_REPEATED = 60
/**
 * A life ends before its suspects are tried, see docs/decisions/0016: whoever waits for something to be told would kill just when a trial
 * is, and so find the innocent.
 */
const LATEST_END_MS = 4_000
/** Of the lives of servers, those that begin to count when something has been told. */
const BUSY_SHARE = 0.7
/** Of a hundred, so many are killed before they listen, after this long at most. */
const STILLBORN_PERCENT = 15
const MAX_START_MS = 600

export interface Report {
  crashes: number
  runs: number
  tasks: number
  /** Of one run by one crash, at most. */
  mostRepeated: number
  problems: string[]
}

export class Ordeal {
  readonly #random: Random
  readonly #runs: LaunchedRun[] = []
  readonly #problems: string[] = []
  /** Launches whose server was killed before it answered: they are made again, and make one run. */
  #unanswered: Batch[] = []
  #underway: LaunchedRun[] = []
  #batches = 0
  #mostRepeated = 0
  #onTold = () => {}
  /** The last one that was started. */
  #server: Pick<ServerProcess, 'end'> | null = null

  private constructor(
    seed: number,
    private readonly origin: Origin,
    private readonly dataDir: string,
  ) {
    this.#random = new Random(seed)
  }

  static async begin(seed: number): Promise<Ordeal> {
    return new Ordeal(seed, await startOrigin(), await mkdtemp(join(tmpdir(), 'heddle-crash-')))
  }

  /** Leaves nothing behind, wherever it has come to. */
  async close(): Promise<void> {
    await this.#server?.end('SIGKILL')
    await this.origin.close()
    await rm(this.dataDir, { recursive: true, force: true })
  }

  /** `tell`: after each crash. */
  async run({ crashes, tell }: { crashes: number; tell(line: string): void }): Promise<Report> {
    let crashed = 0
    while (crashed < crashes && this.#problems.length === 0) {
      if (crashed > 0 && this.#random.whole(1, 100) <= STILLBORN_PERCENT) await this.#killUnborn()
      else await this.#liveAndDie()
      crashed += 1
      tell(
        `crash ${crashed} of ${crashes}: ${this.#runs.length} runs, ${this.#underway.length} under way, ` +
          `${this.#problems.length} problems`,
      )
    }
    await this.#finish()
    return {
      crashes: crashed,
      runs: this.#runs.length,
      tasks: this.#runs.reduce((sum, { witness }) => sum + witness.seen.size, 0),
      mostRepeated: this.#mostRepeated,
      problems: this.#problems,
    }
  }

  get #settings(): Record<string, string> {
    return {
      HEDDLE_DATA_DIR: this.dataDir,
      HEDDLE_FUNCTIONS_DIR: FUNCTIONS_DIR,
      HEDDLE_ALLOW_HOSTS: '127.0.0.1',
      HEDDLE_LANES: '2',
      LOG_LEVEL: 'warn',
    }
  }

  async #start(): Promise<ServerProcess> {
    const server = await startProcess(this.#settings)
    this.#server = server
    return server
  }

  async #killUnborn(): Promise<void> {
    const server = beginProcess(this.#settings)
    this.#server = server
    await pause(this.#random.whole(0, MAX_START_MS))
    const crashAtMs = performance.now()
    await server.end('SIGKILL')
    // It may have taken up its runs by then.
    for (const run of this.#underway) run.crashesAtMs.push(crashAtMs)
  }

  async #liveAndDie(): Promise<void> {
    const server = await this.#start()
    const latestEndMs = performance.now() + LATEST_END_MS
    const lifeMs = this.#random.whole(0, MAX_LIFE_MS)
    await this.#checkAll(server)
    const streams = this.#underway.map(({ witness }) => witness.follow(server.api))
    const launching = this.#launchSome(server, streams)
    const controlling = this.#control(server)
    // On a busy machine nothing would come to pass otherwise.
    if (this.#random.next() < BUSY_SHARE) await this.#untilTold(latestEndMs)
    await pause(Math.min(lifeMs, leftUntil(latestEndMs)))
    if (this.#random.next() < 0.5) await this.#untilTold(latestEndMs)
    const crashAtMs = performance.now()
    const { stderr } = await server.end('SIGKILL')
    await Promise.all([launching, controlling])
    await Promise.all(streams)
    for (const run of this.#underway) if (!run.witness.hasEnded) run.crashesAtMs.push(crashAtMs)
    this.#noteLog(server, stderr)
  }

  /** Pauses one of the runs under way, and has one go on: each may come too late. */
  async #control({ api }: ServerProcess): Promise<void> {
    const paused = this.#underway.filter(({ paused }) => paused !== null)
    const others = this.#underway.filter(({ paused }) => paused === null)
    if (paused.length > 0 && this.#random.next() < 0.5) await this.#resume(api, this.#random.pick(paused))
    if (paused.length >= MAX_PAUSED || others.length === 0) return
    const run = this.#random.pick(others)
    const { pauseRun } = (await api.raw<PauseRun>(PAUSE, { id: run.id }).catch(() => null))?.data ?? {}
    if (pauseRun?.run?.status === 'PAUSED') run.paused = pauseRun.run.progress
  }

  async #resume(api: ApiClient, run: LaunchedRun): Promise<void> {
    run.paused = null
    await api.raw(RESUME, { id: run.id }).catch(() => {})
  }

  /** A moment that counts: what is told now must be there after the crash. */
  async #untilTold(latestMs: number): Promise<void> {
    const told = new Promise<void>((resolve) => {
      this.#onTold = resolve
    })
    await Promise.race([told, pause(leftUntil(latestMs))])
  }

  /** Not all of it may be answered. */
  async #launchSome(server: ServerProcess, streams: Promise<void>[]): Promise<void> {
    const batches = this.#unanswered
    this.#unanswered = []
    while (this.#underway.length + batches.length < MAX_RUNS) {
      batches.push(batchOf({ random: this.#random, url: this.origin.url, number: this.#batches++ }))
    }
    await Promise.all(
      batches.map(async (batch) => {
        const answer = await batch.launch(server.api).catch(() => null)
        if (answer === null) {
          this.#unanswered.push(batch)
        } else if (answer.run === null) {
          this.#problems.push(`${batch.kind}: its launch was refused: ${JSON.stringify(answer.userErrors)}`)
        } else {
          const { id } = answer.run
          const witness = new Witness(id, { isOneByOne: this.#random.next() < 0.5, onTold: () => this.#onTold() })
          const run = { id, batch, witness, crashesAtMs: [], paused: null }
          this.#runs.push(run)
          this.#underway.push(run)
          streams.push(witness.follow(server.api))
        }
      }),
    )
  }

  async #checkAll({ api }: ServerProcess): Promise<void> {
    for (const run of this.#underway) await checkAfterCrash(api, run, this.#problems)
    this.#underway = this.#underway.filter(({ witness }) => !witness.hasEnded)
  }

  #noteLog(server: ServerProcess, stderr: string): void {
    if (stderr !== '') this.#problems.push(`the server said: ${stderr}`)
    for (const { level, msg, err } of server.log())
      if (level === 'error' || level === 'fatal')
        this.#problems.push(`the server logged: ${msg} ${JSON.stringify(err)}`)
  }

  /** The last server is not killed: all runs end. */
  async #finish(): Promise<void> {
    const server = await this.#start()
    await this.#checkAll(server)
    for (const run of this.#underway) await this.#resume(server.api, run)
    const streams = this.#underway.map(({ witness }) => witness.follow(server.api))
    await this.#launchSome(server, streams)
    await Promise.all(streams)
    for (const run of this.#runs) await checkEnd(server.api, run, this.#problems)
    const { code, stderr } = await server.end('SIGTERM')
    if (code !== 0) this.#problems.push(`the last server has ended with ${code}`)
    this.#noteLog(server, stderr)
    this.#checkOrigin()
    this.#checkDatabase()
  }

  /** A request is made again after a crash alone, and then by few. */
  #checkOrigin(): void {
    const { arrivals } = this.origin
    for (const { batch, id, crashesAtMs } of this.#runs) {
      if (batch.requests === null) continue
      const { tag, urls, each } = batch.requests
      const told = (problem: string) => this.#problems.push(`${batch.kind} (${id}): ${problem}`)
      const asked = new Map<string, number>()
      for (const { url } of arrivals) if (url.includes(tag)) asked.set(url, (asked.get(url) ?? 0) + 1)
      if (asked.size !== urls) told(`${asked.size} URLs of ${urls} were asked for`)
      for (const [url, times] of asked)
        if (times > each + crashesAtMs.length)
          told(`${url} was asked for ${times} times, in ${crashesAtMs.length} crashes`)
      if (each > 1) continue
      for (const crashAtMs of crashesAtMs) {
        const repeated = repeatedAfter(arrivals, tag, crashAtMs)
        this.#mostRepeated = Math.max(this.#mostRepeated, repeated)
        if (repeated > MAX_REPEATED) told(`${repeated} requests were repeated after one crash`)
      }
    }
  }

  #checkDatabase(): void {
    const db = new Database(join(this.dataDir, 'heddle.db'), { readonly: true })
    try {
      const integrity = db.pragma('integrity_check', { simple: true })
      if (integrity !== 'ok') this.#problems.push(`the database is damaged: ${integrity}`)
      const twice = db
        .prepare(
          'SELECT "runId", "stage", "itemIndex", count(*) AS rows FROM "Task" GROUP BY 1, 2, 3 HAVING count(*) > 1',
        )
        .all()
      if (twice.length > 0) this.#problems.push(`tasks have two rows: ${JSON.stringify(twice.slice(0, 5))}`)
    } finally {
      db.close()
    }
  }
}

function leftUntil(timeMs: number): number {
  return Math.max(0, timeMs - performance.now())
}
