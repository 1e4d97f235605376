/**
 * Names become addresses. The system's resolver is asked first: it knows the hosts file, search domains and whatever else the machine is
 * set up with. But it keeps a thread for each name until it has an answer, and a process has two of them for that, for all its lanes: names
 * whose servers never answer would keep all others waiting, for minutes after the last request for them has been given up. So a lane asks
 * it for a few names at a time, forgets those that nobody waits for any more, and asks name servers itself for what has waited too
 * long: that takes no thread.
 */

import { lookup as systemLookup } from 'node:dns/promises'
import { TaskFailure } from '../domain/errors.js'
import { askNameServers } from './name-servers.js'
import type { Resolve, ResolvedAddress } from './resolve.js'

export interface LookupSettings {
  /** Default: the system's resolver. */
  resolve?: Resolve | undefined
  /** Asked besides where that takes too long. Default: name servers; with a resolver of one's own nobody. */
  resolveDirectly?: Resolve | undefined
}

export interface Lookup {
  addresses: Promise<readonly ResolvedAddress[]>
  /** The answer is here, or not wanted any more. Safe to call twice. */
  leave(): void
}

/** Names that a lane asks the system for at a time. */
const MAX_UNDER_WAY = 4
/** Resolvers that can be reached have answered by then. */
const SLOW_MS = 1_000

/** One name, for all who ask for it at the same time. */
class Entry {
  waiting = 0
  /** When the system was asked; null while that has to wait. */
  askedMs: number | null = null
  /** Until name servers are asked. */
  timer: NodeJS.Timeout | null = null
  /** Ends what name servers are asked. */
  abort = new AbortController()
  readonly addresses: Promise<readonly ResolvedAddress[]>
  resolve: (addresses: readonly ResolvedAddress[]) => void = () => {}
  reject: (error: unknown) => void = () => {}

  constructor(readonly hostname: string) {
    this.addresses = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever waits hears of it; perhaps nobody does any more.
    this.addresses.catch(() => {})
  }
}

export class Lookups {
  readonly #resolve: Resolve
  readonly #resolveDirectly: Resolve | null
  readonly #entries = new Map<string, Entry>()
  /** The system has been asked for them, and has not answered. */
  readonly #underWay = new Set<Entry>()
  readonly #queue = new Set<Entry>()

  constructor({ resolve, resolveDirectly }: LookupSettings) {
    this.#resolve = resolve ?? askSystem
    this.#resolveDirectly = resolveDirectly ?? (resolve === undefined ? askNameServers : null)
  }

  find(hostname: string): Lookup {
    const entry = this.#entries.get(hostname) ?? this.#begin(hostname)
    entry.waiting += 1
    // One that everybody had left: the system is still at it.
    if (entry.abort.signal.aborted) this.#askSoon(entry)
    let hasLeft = false
    const leave = () => {
      if (hasLeft) return
      hasLeft = true
      entry.waiting -= 1
      if (entry.waiting === 0) this.#abandon(entry)
    }
    return { addresses: entry.addresses, leave }
  }

  #begin(hostname: string): Entry {
    const entry = new Entry(hostname)
    this.#entries.set(hostname, entry)
    this.#queue.add(entry)
    this.#askSoon(entry)
    this.#askNext()
    return entry
  }

  /** The system, for as many as may be. */
  #askNext(): void {
    for (const entry of this.#queue) {
      if (this.#underWay.size >= MAX_UNDER_WAY) return
      this.#queue.delete(entry)
      this.#underWay.add(entry)
      entry.askedMs = performance.now()
      const ended = () => {
        this.#underWay.delete(entry)
        this.#end(entry)
        this.#askNext()
      }
      this.#resolve(entry.hostname, entry.abort.signal).then(entry.resolve, entry.reject).finally(ended)
    }
  }

  /** Name servers, if the system is too slow: at once where it is already. */
  #askSoon(entry: Entry): void {
    if (this.#resolveDirectly === null) return
    entry.abort = new AbortController()
    entry.timer = setTimeout(() => void this.#askDirectly(entry), this.#isSlow() ? 0 : SLOW_MS)
  }

  #isSlow(): boolean {
    const sinceMs = performance.now() - SLOW_MS
    for (const { askedMs } of this.#underWay) if (askedMs !== null && askedMs < sinceMs) return true
    return false
  }

  async #askDirectly(entry: Entry): Promise<void> {
    try {
      const addresses = (await this.#resolveDirectly?.(entry.hostname, entry.abort.signal)) ?? []
      if (addresses.length === 0) return
      entry.resolve(addresses)
      this.#end(entry)
    } catch {
      // Whether there is such a name is the system's to say.
    }
  }

  /** Nobody waits for it. What the system has begun goes on, and is there for whoever asks next. */
  #abandon(entry: Entry): void {
    if (this.#underWay.has(entry)) this.#stopAsking(entry)
    else this.#end(entry)
  }

  #end(entry: Entry): void {
    this.#stopAsking(entry)
    this.#queue.delete(entry)
    if (this.#entries.get(entry.hostname) === entry) this.#entries.delete(entry.hostname)
    // Only where it never was asked for: nobody is left to hear it.
    entry.reject(new TaskFailure('DNS', 'the name was not looked up'))
  }

  #stopAsking(entry: Entry): void {
    if (entry.timer !== null) clearTimeout(entry.timer)
    entry.timer = null
    entry.abort.abort()
  }
}

function askSystem(hostname: string): Promise<readonly ResolvedAddress[]> {
  return systemLookup(hostname, { all: true, verbatim: true })
}
