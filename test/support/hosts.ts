/** Users of hosts that could always start more, and hosts without a limit. */

import type { Clock } from '../../src/clock.js'
import type { HostUser } from '../../src/engine/host-state.js'
import { Hosts } from '../../src/engine/hosts.js'
import { runRecord } from './engine-parts.js'

export function hostUser(changes: Partial<HostUser> = {}): HostUser {
  const unbounded = Number.POSITIVE_INFINITY
  return {
    key: runRecord().key,
    hasKin: false,
    priority: 0,
    holdsLane: true,
    spare: unbounded,
    running: unbounded,
    ...changes,
  }
}

export function ownHosts(clock: Clock): Hosts {
  return new Hosts({ clock, concurrency: 16, isOwn: () => true })
}

/** In flight to all hosts. */
export function inFlightOf(hosts: Hosts): number {
  return hosts.list(Number.POSITIVE_INFINITY).reduce((sum, { inFlight }) => sum + inFlight, 0)
}
