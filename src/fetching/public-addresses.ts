/** Which addresses belong to the internet, and which to a machine, a network or nobody. Ranges are those of ipaddr.js. */

import ipaddr from 'ipaddr.js'
import type { Address, Range } from '../domain/destinations.js'

const NAT64: Range = [ipaddr.parse('64:ff9b::'), 96]
const GLOBAL_UNICAST: Range = [ipaddr.parse('2000::'), 3]

/**
 * Addresses with which clouds answer their own machines alone, though they lie in public ranges: Azure's wire server, and the metadata of
 * Equinix Metal. Those of the others are link-local, shared, reserved or unique-local.
 */
const OF_CLOUDS: readonly Range[] = [ipaddr.parseCIDR('168.63.129.16/32'), ipaddr.parseCIDR('192.80.8.124/32')]

/** Where networks keep an IPv4 address in an IPv6 one (RFC 6052, 2.2), by the length of the prefix before it. */
const TRANSLATED: readonly (readonly number[])[] = [
  [4, 5, 6, 7],
  [5, 6, 7, 9],
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
]
const INTERFACE_AT = 8

export function inRange(address: Address, [base, length]: Range): boolean {
  return address.kind() === base.kind() && address.match([base, length] as [Address, number])
}

/** The IPv4 address that NAT64 of the well-known prefix leads to through this one. */
export function embeddedIPv4(address: Address): ipaddr.IPv4 | null {
  if (!(address instanceof ipaddr.IPv6) || !inRange(address, NAT64)) return null
  return new ipaddr.IPv4(address.toByteArray().slice(12))
}

export function isPublic(address: Address): boolean {
  const embedded = embeddedIPv4(address)
  if (embedded !== null) return isPublic(embedded)
  if (address.range() !== 'unicast') return false
  if (address instanceof ipaddr.IPv4) return !OF_CLOUDS.some((range) => inRange(address, range))
  // Of IPv6 only one eighth has been given out at all.
  return inRange(address, GLOBAL_UNICAST) && !isWayIn(address.toByteArray())
}

/** Whether a tunnel of the network (ISATAP, RFC 5214), or its NAT64 with a prefix of its own, would lead inside. */
function isWayIn(bytes: readonly number[]): boolean {
  const isTunnel = ((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe
  return isTunnel || TRANSLATED.some((places) => isTranslated(bytes, places))
}

/** Everything else in the half of the interface must be zero: such addresses mean nothing but what they hold. */
function isTranslated(bytes: readonly number[], places: readonly number[]): boolean {
  const rest = bytes.every((byte, at) => at < INTERFACE_AT || places.includes(at) || byte === 0)
  if (!rest) return false
  const range = new ipaddr.IPv4(places.map((at) => bytes[at] ?? 0)).range()
  // 0.0.0.0/8 is how plain addresses end, such as 2001:db8::1.
  return range !== 'unicast' && range !== 'unspecified'
}
