/** Destinations as the server's owner names them: host names, addresses and CIDR ranges. */

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'

/** Plain strings that survive a structured clone: names, addresses and CIDR ranges, as the owner wrote them. */
export type AllowedDestinations = readonly string[]

export type Address = ipaddr.IPv4 | ipaddr.IPv6
export type Range = readonly [Address, number]

export interface AllowedList {
  names: ReadonlySet<string>
  ranges: readonly Range[]
  /** Entries that are none of the three. */
  invalid: readonly string[]
}

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`)

/** The entries that are no name, no address and no CIDR range. */
export function invalidDestinations(allow: AllowedDestinations): readonly string[] {
  return parseAllowed(allow).invalid
}

export function parseAllowed(allow: AllowedDestinations): AllowedList {
  const names = new Set<string>()
  const ranges: Range[] = []
  const invalid: string[] = []
  for (const entry of allow) {
    const range = parseRange(entry)
    const name = range === null ? parseName(entry) : null
    if (range !== null) ranges.push(range)
    else if (name !== null) names.add(name)
    else invalid.push(entry)
  }
  return { names, ranges, invalid }
}

function parseRange(entry: string): Range | null {
  const [base = '', prefix, ...rest] = entry.trim().split('/')
  const address = parseAddress(base)
  if (address === null || rest.length > 0) return null
  const bits = address.kind() === 'ipv4' ? 32 : 128
  if (prefix === undefined) return [address, bits]
  if (!/^\d{1,3}$/.test(prefix)) return null
  // A range of IPv4-mapped addresses is the IPv4 range: its base has been unwrapped already.
  const length = Number(prefix) - (base.includes(':') && bits === 32 ? 96 : 0)
  return length >= 0 && length <= bits ? [address, length] : null
}

function parseName(entry: string): string | null {
  // domainToASCII takes what follows a host in a URL for the rest of that URL, and leaves it off.
  if (/[/?#\\@:]/.test(entry)) return null
  const name = normalizeName(domainToASCII(entry.trim()))
  return NAME.test(name) && isIP(name) === 0 ? name : null
}

/** In lower case, without the dot of the root. */
export function normalizeName(hostname: string): string {
  const name = hostname.toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** Whether the name is the machine's own by definition (RFC 6761, 6.3): no resolver has a say in it. */
export function isLocalhost(hostname: string): boolean {
  return /(^|\.)localhost$/.test(normalizeName(hostname))
}

/** Brackets and a zone are left off, an IPv4-mapped address becomes the IPv4 address that it stands for. */
export function parseAddress(text: string): Address | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  // isIP first: ipaddr.js also reads octal, hexadecimal and short forms, which mean different things elsewhere.
  if (isIP(bare) === 0) return null
  // In hexadecimal: ipaddr.js takes the old ::a.b.c.d for ::ffff:a.b.c.d, which is another address.
  const plain = bare.includes(':') ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare
  const address = ipaddr.parse(plain)
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}
