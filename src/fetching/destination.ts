/** What fetches may reach: everything public, and of the rest what the server's owner has named. */

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'

/** Plain strings that survive a structured clone: names, addresses and CIDR ranges, as the owner wrote them. */
export type AllowedDestinations = readonly string[]

export interface DestinationPolicy {
  /** Why `address`, which `hostname` stands for, may not be reached; null where it may. */
  refusal(hostname: string, address: string): string | null
  /** Whether the list has this host: by its name, or as an address or a part of a range. */
  names(hostname: string): boolean
}

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = readonly [Address, number]

interface AllowedList {
  names: ReadonlySet<string>
  ranges: readonly Range[]
  /** Entries that are none of the three. */
  invalid: readonly string[]
}

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`)

/** Throws one error that names every invalid entry. */
export function createDestinationPolicy(allow: AllowedDestinations): DestinationPolicy {
  const list = parseAllowed(allow)
  if (list.invalid.length > 0) {
    const named = list.invalid.map((entry) => `"${entry}"`).join(', ')
    throw new Error(`not a name, an address or a CIDR range: ${named}`)
  }
  return new ListPolicy(list.names, list.ranges)
}

/** The entries that are no name, no address and no CIDR range. */
export function invalidDestinations(allow: AllowedDestinations): readonly string[] {
  return parseAllowed(allow).invalid
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

function parseAllowed(allow: AllowedDestinations): AllowedList {
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

function normalizeName(hostname: string): string {
  const name = hostname.toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** Brackets and a zone are left off, an IPv4-mapped address becomes the IPv4 address that it stands for. */
function parseAddress(text: string): Address | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  // isIP first: ipaddr.js also reads octal, hexadecimal and short forms, which mean different things elsewhere.
  if (isIP(bare) === 0) return null
  // In hexadecimal: ipaddr.js takes the old ::a.b.c.d for ::ffff:a.b.c.d, which is another address.
  const plain = bare.includes(':') ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare
  const address = ipaddr.parse(plain)
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
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
