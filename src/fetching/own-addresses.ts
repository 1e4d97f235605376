/** The machine's own addresses, public ones among them: what listens for the machine alone can be reached through them as well. */

import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { type Address, parseAddress, type Range } from '../domain/destinations.js'
import { inRange } from './public-addresses.js'

export interface OwnAddresses {
  has(address: Address): boolean
}

/** An address as the operating system tells it. */
export interface InterfaceAddress {
  address: string
  /** With the length of its network; null where that is not known. */
  cidr: string | null
  /** Of the loopback interface: there all of the network is the machine's own. */
  internal: boolean
}

/** Asking takes as long as opening a connection does: so long what was answered holds. */
const HOLDS_MS = 1_000

export function systemAddresses(
  ask: () => readonly InterfaceAddress[] = askSystem,
  nowMs: () => number = () => performance.now(),
): OwnAddresses {
  let ranges: readonly Range[] = []
  let untilMs = Number.NEGATIVE_INFINITY
  return {
    has(address) {
      if (nowMs() >= untilMs) {
        ranges = ask()
          .map(rangeOf)
          .filter((range) => range !== null)
        untilMs = nowMs() + HOLDS_MS
      }
      return ranges.some((range) => inRange(address, range))
    },
  }
}

function askSystem(): readonly InterfaceAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
}

function rangeOf({ address, cidr, internal }: InterfaceAddress): Range | null {
  if (internal && cidr !== null) return ipaddr.parseCIDR(cidr)
  const parsed = parseAddress(address)
  return parsed && [parsed, parsed.kind() === 'ipv4' ? 32 : 128]
}
