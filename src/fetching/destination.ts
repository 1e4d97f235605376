/** What fetches may reach: everything public that is not this machine, and of the rest what the server's owner has named. */

import {
  type Address,
  type AllowedDestinations,
  isLocalhost,
  normalizeName,
  parseAddress,
  parseAllowed,
  type Range,
} from '../domain/destinations.js'
import { type OwnAddresses, systemAddresses } from './own-addresses.js'
import { embeddedIPv4, inRange, isPublic } from './public-addresses.js'

/** The same for every destination that is refused: what a name stands for inside is nobody's business outside. */
export const FORBIDDEN = 'the destination is not public, and HEDDLE_ALLOW_HOSTS does not name it'

export interface DestinationPolicy {
  /** Whether the address, which `hostname` stands for, may be reached. */
  allows(hostname: string, address: string): boolean
  /** Whether there is nothing behind the host that may be reached, so that no resolver need be asked: addresses, and localhost. */
  isOutOfReach(hostname: string): boolean
  /** Whether the list has this host: by its name, or as an address or a part of a range. */
  names(hostname: string): boolean
}

/** Throws one error that names every invalid entry. */
export function createDestinationPolicy(
  allow: AllowedDestinations,
  own: OwnAddresses = systemAddresses(),
): DestinationPolicy {
  const list = parseAllowed(allow)
  if (list.invalid.length > 0) {
    const named = list.invalid.map((entry) => `"${entry}"`).join(', ')
    throw new Error(`not a name, an address or a CIDR range: ${named}`)
  }
  return new ListPolicy(list.names, list.ranges, own)
}

/** What localhost and the names below it stand for, whatever a resolver says (RFC 6761). */
const LOOPBACK = ['127.0.0.1', '::1']

class ListPolicy implements DestinationPolicy {
  constructor(
    private readonly allowedNames: ReadonlySet<string>,
    private readonly allowedRanges: readonly Range[],
    private readonly own: OwnAddresses,
  ) {}

  allows(hostname: string, address: string): boolean {
    if (this.allowedNames.has(normalizeName(hostname))) return true
    const parsed = parseAddress(address)
    if (parsed === null) return false
    return this.#inRange(parsed) || (isPublic(parsed) && !this.#isOwn(parsed))
  }

  isOutOfReach(hostname: string): boolean {
    const known = isLocalhost(hostname) ? LOOPBACK : parseAddress(hostname) === null ? null : [hostname]
    return known !== null && !known.some((address) => this.allows(hostname, address))
  }

  names(hostname: string): boolean {
    const name = normalizeName(hostname)
    if (this.allowedNames.has(name)) return true
    const address = parseAddress(name)
    return address !== null && this.#inRange(address)
  }

  #inRange(address: Address): boolean {
    const embedded = embeddedIPv4(address)
    return this.allowedRanges.some(
      (range) => inRange(address, range) || (embedded !== null && inRange(embedded, range)),
    )
  }

  #isOwn(address: Address): boolean {
    const embedded = embeddedIPv4(address)
    return this.own.has(address) || (embedded !== null && this.own.has(embedded))
  }
}
