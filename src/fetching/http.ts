/** The fetcher that lanes use: undici connections, kept per origin for the life of the fetcher. */

import type { AllowedDestinations } from '../domain/destinations.js'
import { Aborts } from './aborts.js'
import { Connector } from './connector.js'
import { createDestinationPolicy } from './destination.js'
import type { Fetcher, FetchOutcome } from './fetcher.js'
import type { LookupSettings } from './lookups.js'
import { BodyMemory } from './memory.js'
import { Pools } from './pools.js'
import { Exchange } from './request.js'

export interface FetcherSettings extends LookupSettings {
  /** Destinations that may be reached though they are not public. */
  allow: AllowedDestinations
  /** Certificate authorities in place of Node's own, PEM. */
  ca?: string
  /** What bodies under way may hold in memory, all together. */
  memoryMb?: number
}

const MEMORY_MB = 512
const MEGABYTE = 1024 * 1024

/** Throws where `allow` has entries that are no destinations, and names them all. */
export function createFetcher(settings: FetcherSettings): Fetcher {
  const policy = createDestinationPolicy(settings.allow)
  const pools = new Pools(new Connector({ ...settings, policy }))
  const aborts = new Aborts()
  const memory = new BodyMemory((settings.memoryMb ?? MEMORY_MB) * MEGABYTE)
  return {
    fetch(request, fetchSettings, signal) {
      return new Promise<FetchOutcome>((resolve) => {
        const group = aborts.groupOf(signal)
        const exchange = new Exchange({ request, settings: fetchSettings, pools, group, memory }, resolve)
        if (signal.aborted) exchange.abort()
        else exchange.start()
      })
    },
    close: () => pools.close(),
  }
}
