/** What fetches may reach: everything public, and of the rest what the server's owner has named. */

import ipaddr from 'ipaddr.js'
import {
  type Address,
  type AllowedDestinations,
  normalizeName,
  parseAddress,
  parseAllowed,
  type Range,
} from '../domain/destinations.js'

export interface DestinationPolicy {
  /** Why `address`, which `hostname` stands for, may not be reached; null where it may. */
  refusal(hostname: string, address: string): string | null
  /** Whether the list has this host: by its name, or as an address or a part of a range. */
  names(hostname: string): boolean
}

/** Throws one error that names every invalid entry. */
export function createDestinationPolicy(allow: AllowedDestinations): DestinationPolicy {
  const list = parseAllowed(allow)
  if (list.invalid.length > 0) {
    const named = list.invalid.map((entry) => `"${entry}"`).join(', ')
    throw new Error(`not a name, an address or a CIDR range: ${named}`)
  }
  return new ListPolicy(list.names, list.ranges)
}

class ListPolicy implements DestinationPolicy {
  constructor(
    private readonly allowedNames: ReadonlySet<string>,
    private readonly allowedRanges: readonly Range[],
  ) {}

  refusal(hostname: string, address: string): string | null {
    if (this.allowedNames.has(normalizeName(hostname))) return null
    const parsed = parseAddress(address)
    if (parsed === null) return 'the destination is no address'
    const kind = kindOf(parsed)
    if (kind === null || this.#inRange(parsed)) return null
    return `the destination is ${kind}, which HEDDLE_ALLOW_HOSTS does not allow`
  }

  names(hostname: string): boolean {
    const name = normalizeName(hostname)
    if (this.allowedNames.has(name)) return true
    const address = parseAddress(name)
    return address !== null && this.#inRange(address)
  }

  #inRange(address: Address): boolean {
    const translated = embeddedIPv4(address)
    return this.allowedRanges.some(
      (range) => matches(address, range) || (translated !== null && matches(translated, range)),
    )
  }
}

function matches(address: Address, [base, length]: Range): boolean {
  return address.kind() === base.kind() && address.match([base, length] as [Address, number])
}

/** The IPv4 address that NAT64 would reach through this one. */
function embeddedIPv4(address: Address): ipaddr.IPv4 | null {
  if (!(address instanceof ipaddr.IPv6) || !matches(address, NAT64)) return null
  return new ipaddr.IPv4(address.toByteArray().slice(12))
}

const NAT64: Range = [ipaddr.parse('64:ff9b::'), 96]
const GLOBAL_UNICAST: Range = [ipaddr.parse('2000::'), 3]

const KINDS: Readonly<Record<string, string>> = {
  unspecified: 'the unspecified address',
  broadcast: 'a broadcast address',
  multicast: 'a multicast address',
  linkLocal: 'a link-local address',
  loopback: 'a loopback address',
  carrierGradeNat: 'an address of carrier-grade NAT',
  private: 'a private address',
  uniqueLocal: 'a private address',
  '6to4': 'a tunnel address',
  teredo: 'a tunnel address',
}
const RESERVED = 'a reserved address'

/** What makes an address not public; null where it is public. */
function kindOf(address: Address): string | null {
  const embedded = embeddedIPv4(address)
  if (embedded !== null) return kindOf(embedded)
  const range = address.range()
  if (range !== 'unicast') return KINDS[range] ?? RESERVED
  // What no range names is public in IPv4; in IPv6 only one eighth of all addresses has been given out at all.
  return address.kind() === 'ipv4' || matches(address, GLOBAL_UNICAST) ? null : RESERVED
}
