/** Names that the rows of a run repeat, as the writer keeps them: its lanes by number, and the hosts already noted. */

import type Database from 'better-sqlite3'

/** More runs than this are not under way at a time; the one that was not used for longest goes first. */
const MAX_RUNS = 256
const MAX_HOSTS = 10_000

interface Names {
  lanes: Map<string, number>
  hosts: Set<string>
}

/** What is kept here has been written by the transaction under way or an earlier one. */
export class RunNames {
  readonly #runs = new Map<number, Names>()
  readonly #readLanes: Database.Statement<[number], { number: number; name: string }>
  readonly #addLane: Database.Statement
  readonly #addHost: Database.Statement

  constructor(db: Database.Database) {
    this.#readLanes = db.prepare('SELECT "number", "name" FROM "RunLane" WHERE "runId" = ? ORDER BY "number"')
    this.#addLane = db.prepare('INSERT INTO "RunLane" ("runId", "number", "name") VALUES (?, ?, ?)')
    this.#addHost = db.prepare('INSERT OR IGNORE INTO "RunHost" ("host", "runId") VALUES (?, ?)')
  }

  laneNumber(runId: number, name: string): number {
    const { lanes } = this.#of(runId)
    const known = lanes.get(name)
    if (known !== undefined) return known
    const number = lanes.size
    this.#addLane.run(runId, number, name)
    lanes.set(name, number)
    return number
  }

  noteHost(runId: number, host: string): void {
    const { hosts } = this.#of(runId)
    if (hosts.has(host)) return
    // A run of a million hosts must not hold them all: what is forgotten is noted again, and ignored by its key.
    if (hosts.size >= MAX_HOSTS) hosts.clear()
    this.#addHost.run(host, runId)
    hosts.add(host)
  }

  forget(runId: number): void {
    this.#runs.delete(runId)
  }

  forgetAll(): void {
    this.#runs.clear()
  }

  #of(runId: number): Names {
    const found = this.#runs.get(runId)
    if (found) {
      this.#runs.delete(runId)
      this.#runs.set(runId, found)
      return found
    }
    const lanes = new Map(this.#readLanes.all(runId).map(({ number, name }) => [name, number]))
    const names = { lanes, hosts: new Set<string>() }
    this.#runs.set(runId, names)
    if (this.#runs.size > MAX_RUNS) this.#runs.delete(this.#runs.keys().next().value!)
    return names
  }
}
