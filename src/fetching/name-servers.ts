/** Asks name servers, and the hosts file before them, without a thread of the process: see lookups.ts. */

import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { normalizeName } from '../domain/destinations.js'
import type { ResolvedAddress } from './resolve.js'

const HOSTS_FILE = '/etc/hosts'
const SERVERS = { timeout: 2_000, tries: 2 }

/** No addresses where the system alone can tell. Rejects where the servers do not answer, or know no such name. */
export async function askNameServers(hostname: string, signal: AbortSignal): Promise<readonly ResolvedAddress[]> {
  const name = normalizeName(hostname)
  const listed = listedIn(await readFile(HOSTS_FILE, 'utf8').catch(() => ''), name)
  if (listed.length > 0 || !isOfNameServers(name) || signal.aborted) return listed
  // As the machine is set up now: it may have moved to another network.
  const resolver = new Resolver(SERVERS)
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw ipv4.reason
    return [ipv4, ipv6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.map(toResolved) : []))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** The addresses that a hosts file gives to a name. */
export function listedIn(hostsFile: string, name: string): ResolvedAddress[] {
  return hostsFile.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return isIP(address) !== 0 && names.some((one) => normalizeName(one) === name) ? [toResolved(address)] : []
  })
}

/** A single word may stand for a name of the domains that are searched, and .local is for the neighbours to answer. */
function isOfNameServers(name: string): boolean {
  return name.includes('.') && !/\.(local|localhost)$/.test(name)
}

function toResolved(address: string): ResolvedAddress {
  return { address, family: isIP(address) }
}
