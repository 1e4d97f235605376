/** Where a request's time went. Over redirects the times of a phase add up. */

import type { FetchDetail } from '../domain/task.js'

/** What it took to open one connection. Null where there was nothing to do: an address needs no lookup, http no TLS. */
export interface ConnectTimes {
  dnsMs: number | null
  connectMs: number
  tlsMs: number | null
}

type PhaseTimes = Pick<FetchDetail, 'dnsMs' | 'connectMs' | 'tlsMs' | 'firstByteMs' | 'downloadMs' | 'reusedConnection'>

export class Phases implements PhaseTimes {
  dnsMs: number | null = null
  connectMs: number | null = null
  tlsMs: number | null = null
  firstByteMs: number | null = null
  downloadMs: number | null = null
  /** Whether no connection had to be opened at all. */
  reusedConnection: boolean | null = null
  /** When the phase that goes on began. */
  #sinceMs = 0

  /** The request goes out: on a connection that was there already, or on one that took `times` to open. */
  sent(times: ConnectTimes | null): void {
    this.#sinceMs = performance.now()
    if (times === null) {
      this.reusedConnection ??= true
      return
    }
    this.reusedConnection = false
    if (times.dnsMs !== null) this.dnsMs = (this.dnsMs ?? 0) + times.dnsMs
    this.connectMs = (this.connectMs ?? 0) + times.connectMs
    if (times.tlsMs !== null) this.tlsMs = (this.tlsMs ?? 0) + times.tlsMs
  }

  /** The answer's first byte is here. */
  answered(): void {
    this.firstByteMs = (this.firstByteMs ?? 0) + this.#lap()
  }

  /** The answer's last byte is here. */
  ended(): void {
    this.downloadMs = (this.downloadMs ?? 0) + this.#lap()
  }

  #lap(): number {
    const nowMs = performance.now()
    const lapMs = nowMs - this.#sinceMs
    this.#sinceMs = nowMs
    return lapMs
  }
}
