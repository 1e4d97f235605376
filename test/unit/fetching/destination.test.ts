import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { invalidDestinations, parseAddress } from '../../../src/domain/destinations.js'
import { createDestinationPolicy } from '../../../src/fetching/destination.js'
import { systemAddresses } from '../../../src/fetching/own-addresses.js'

/** A machine with one address of its own in each family, both public, and a network on its loopback interface. */
const own = systemAddresses(() => [
  { address: '93.184.216.34', cidr: '93.184.216.34/24', internal: false },
  { address: '2a00:1450::35', cidr: '2a00:1450::35/64', internal: false },
  { address: '5.6.7.1', cidr: '5.6.7.1/24', internal: true },
  { address: 'fe80::1%eth0', cidr: null, internal: false },
])
const open = createDestinationPolicy([], own)

/** An address of each row of IANA's registry of special-purpose IPv4 addresses, as of October 2025. */
const SPECIAL_IPV4 = {
  '0.0.0.0/8': '0.1.2.3',
  '0.0.0.0/32': '0.0.0.0',
  '10.0.0.0/8': '10.1.2.3',
  '100.64.0.0/10': '100.64.0.1',
  '127.0.0.0/8': '127.255.255.254',
  '169.254.0.0/16': '169.254.1.1',
  '172.16.0.0/12': '172.31.255.255',
  '192.0.0.0/24': '192.0.0.200',
  '192.0.0.0/29': '192.0.0.1',
  '192.0.0.8/32': '192.0.0.8',
  '192.0.0.9/32': '192.0.0.9',
  '192.0.0.10/32': '192.0.0.10',
  '192.0.0.170/32, 192.0.0.171/32': '192.0.0.170',
  '192.0.2.0/24': '192.0.2.1',
  '192.31.196.0/24': '192.31.196.1',
  '192.52.193.0/24': '192.52.193.1',
  '192.88.99.0/24': '192.88.99.1',
  '192.88.99.2/32': '192.88.99.2',
  '192.168.0.0/16': '192.168.1.1',
  '192.175.48.0/24': '192.175.48.1',
  '198.18.0.0/15': '198.19.255.255',
  '198.51.100.0/24': '198.51.100.7',
  '203.0.113.0/24': '203.0.113.7',
  '240.0.0.0/4': '240.0.0.1',
  '255.255.255.255/32': '255.255.255.255',
}

/** And of that for IPv6. */
const SPECIAL_IPV6 = {
  '::1/128': '::1',
  '::/128': '::',
  '::ffff:0:0/96': '::ffff:10.0.0.1',
  '64:ff9b::/96': '64:ff9b::10.0.0.1',
  '64:ff9b:1::/48': '64:ff9b:1::808:808',
  '100::/64': '100::1',
  '100:0:0:1::/64': '100:0:0:1::1',
  '2001::/23': '2001:1ff::1',
  '2001::/32': '2001:0:4136:e378::1',
  '2001:1::1/128': '2001:1::1',
  '2001:1::2/128': '2001:1::2',
  '2001:1::3/128': '2001:1::3',
  '2001:2::/48': '2001:2::1',
  '2001:3::/32': '2001:3::1',
  '2001:4:112::/48': '2001:4:112::1',
  '2001:10::/28': '2001:1f::1',
  '2001:20::/28': '2001:2f::1',
  '2001:30::/28': '2001:3f::1',
  '2001:db8::/32': '2001:db8::1',
  '2002::/16': '2002:808:808::1',
  '2620:4f:8000::/48': '2620:4f:8000::1',
  '3fff::/20': '3fff:fff::1',
  '5f00::/16': '5f00::1',
  'fc00::/7': 'fdff::1',
  'fe80::/10': 'fe80::1%eth0',
}

describe('what is refused', () => {
  it.each(Object.entries({ ...SPECIAL_IPV4, ...SPECIAL_IPV6 }))('%s: %s', (_row, address) => {
    expect(open.allows('name.test', address)).toBe(false)
  })

  it.each([
    ['multicast', '224.0.0.1'],
    ['multicast', 'ff02::1'],
    ['multicast', 'ff0e::1'],
    ['site-local', 'fec0::1'],
    ['what has not been given out', '4000::1'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['IPv4-compatible', '::808:808'],
    ['IPv4-mapped', '::ffff:7f00:1'],
    ['IPv4-translated', '::ffff:0:127.0.0.1'],
    ['6to4', '2002:7f00:1::'],
    ['NAT64', '64:ff9b::7f00:1'],
    ['NAT64 with a prefix of 96 bits of its own', '2a00:1450:64::10.0.0.1'],
    ['NAT64 with one of 64 bits', '2a00:1450:64:64:a:0:100:0'],
    ['NAT64 with one of 56 bits', '2a00:1450:64:a::1:0:0'],
    ['NAT64 with one of 48 bits', '2a00:1450:64:c0a8:1:100::'],
    ['NAT64 with one of 40 bits', '2a00:1450:64a9:fea9:fe::'],
    ['NAT64 with one of 32 bits', '2a00:1450:7f00:1::'],
    ['ISATAP', '2a00:1450::5efe:10.0.0.1'],
    ['ISATAP', '2a00:1450::200:5efe:8.8.8.8'],
    ['metadata of AWS', 'fd00:ec2::254'],
    ['metadata of Google', 'fd20:ce::254'],
    ['metadata of Alibaba', '100.100.100.200'],
    ['metadata of Oracle', '192.0.0.192'],
    ['metadata of Tencent', '100.88.222.5'],
    ['metadata of Equinix', '192.80.8.124'],
    ['the wire server of Azure', '168.63.129.16'],
    ['the wire server of Azure', '64:ff9b::a83f:8110'],
    ['its own', '93.184.216.34'],
    ['its own', '::ffff:93.184.216.34'],
    ['its own', '64:ff9b::93.184.216.34'],
    ['its own', '2a00:1450::35'],
    ['a neighbour on its loopback interface', '5.6.7.8'],
    ['no address', 'no address'],
    ['no address', '0x7f000001'],
    ['no address', ''],
  ])('%s: %s', (_what, address) => {
    expect(open.allows('name.test', address)).toBe(false)
  })

  it('every address of 127.0.0.0/8, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const loopback = address.replace(/^\d+/, '127')
        expect(open.allows('name.test', loopback)).toBe(false)
        expect(open.allows('name.test', `::ffff:${loopback}`)).toBe(false)
        expect(open.allows('name.test', `64:ff9b::${loopback}`)).toBe(false)
        expect(open.allows('name.test', `2a00:1450:1:2::${loopback}`)).toBe(false)
      }),
    )
  })
})

describe('what is public', () => {
  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '168.63.129.17',
    '2606:4700::1111',
    '2606:4700:7::a29f:8a55',
    '2a00:1450::1',
    '2a00:1450::a',
    '2a00:1450:4001:82b::200e',
    '2a00:1450:a00:1::1',
    '2a00:1450::192:168:1:10',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('%s', (address) => expect(open.allows('name.test', address)).toBe(true))

  it('a neighbour of the machine', () => {
    expect(open.allows('name.test', '93.184.216.35')).toBe(true)
    expect(open.allows('name.test', '2a00:1450::36')).toBe(true)
  })
})

describe("the machine's own addresses", () => {
  it('are asked for again after a second: they change', () => {
    let nowMs = 0
    const ask = vi.fn(() => [{ address: nowMs === 0 ? '8.8.8.8' : '9.9.9.9', cidr: null, internal: false }])
    const policy = createDestinationPolicy(
      [],
      systemAddresses(ask, () => nowMs),
    )
    expect(policy.allows('name.test', '8.8.8.8')).toBe(false)
    expect(policy.allows('name.test', '9.9.9.9')).toBe(true)
    nowMs = 999
    expect(policy.allows('name.test', '9.9.9.9')).toBe(true)
    expect(ask).toHaveBeenCalledTimes(1)
    nowMs = 1000
    expect(policy.allows('name.test', '9.9.9.9')).toBe(false)
    expect(policy.allows('name.test', '8.8.8.8')).toBe(true)
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('are those that the system tells', () => {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    const addresses = all.map(({ address }) => parseAddress(address)).filter((address) => address !== null)
    expect(addresses.length).toBeGreaterThan(0)
    const system = systemAddresses()
    for (const address of addresses) expect(system.has(address)).toBe(true)
  })

  it('are not asked for where the list or the address decides', () => {
    const has = vi.fn(() => true)
    const policy = createDestinationPolicy(['8.8.8.8', 'own.test'], { has })
    expect(policy.allows('name.test', '8.8.8.8')).toBe(true)
    expect(policy.allows('own.test', '9.9.9.9')).toBe(true)
    expect(policy.allows('name.test', '10.0.0.1')).toBe(false)
    expect(has).not.toHaveBeenCalled()
    expect(policy.allows('name.test', '9.9.9.9')).toBe(false)
  })
})

describe('what is refused without asking a resolver', () => {
  it.each(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'A.LocalHost.', '127.0.0.1', '::1', '10.0.0.1'])(
    '%s',
    (hostname) => expect(open.isOutOfReach(hostname)).toBe(true),
  )

  it.each(['localhost.test', 'notlocalhost', 'name.test', '8.8.8.8', '2606:4700::1111'])('not %s', (hostname) =>
    expect(open.isOutOfReach(hostname)).toBe(false),
  )

  it('localhost is in reach where its name or an address of it is allowed', () => {
    for (const entry of ['localhost', '127.0.0.1', '::1', '127.0.0.0/8'])
      expect(createDestinationPolicy([entry]).isOutOfReach('localhost')).toBe(false)
    expect(createDestinationPolicy(['localhost']).isOutOfReach('a.localhost')).toBe(true)
  })
})

describe('what is allowed', () => {
  it('a name opens whatever the name stands for, and nothing else', () => {
    const policy = createDestinationPolicy(['Internal.Example', 'bücher.test'])
    expect(policy.allows('internal.example', '10.0.0.1')).toBe(true)
    expect(policy.allows('INTERNAL.example.', '::1')).toBe(true)
    expect(policy.allows('xn--bcher-kva.test', '::1')).toBe(true)
    expect(policy.allows('sub.internal.example', '10.0.0.1')).toBe(false)
    expect(policy.allows('10.0.0.1', '10.0.0.1')).toBe(false)
  })

  it('an address opens itself, for every name', () => {
    const policy = createDestinationPolicy(['127.0.0.1', '[::1]'])
    expect(policy.allows('any.test', '127.0.0.1')).toBe(true)
    expect(policy.allows('any.test', '::ffff:127.0.0.1')).toBe(true)
    expect(policy.allows('any.test', '::1')).toBe(true)
    expect(policy.allows('any.test', '127.0.0.2')).toBe(false)
  })

  it('a range opens its addresses', () => {
    const policy = createDestinationPolicy(['10.0.0.0/8', 'fd00::/8', '::ffff:192.168.0.0/112'])
    expect(policy.allows('any.test', '10.255.0.1')).toBe(true)
    expect(policy.allows('any.test', '64:ff9b::10.0.0.1')).toBe(true)
    expect(policy.allows('any.test', 'fd12::1')).toBe(true)
    expect(policy.allows('any.test', 'fc12::1')).toBe(false)
    expect(policy.allows('any.test', '192.168.7.7')).toBe(true)
    expect(policy.allows('any.test', '192.169.0.1')).toBe(true)
    expect(policy.allows('any.test', '11.0.0.1')).toBe(true)
    expect(policy.allows('any.test', '172.16.0.1')).toBe(false)
  })

  it('tells the hosts that are on the list', () => {
    const policy = createDestinationPolicy(['localhost', '10.0.0.0/8', '::1'])
    expect(['LOCALHOST', '10.9.8.7', '[::1]'].map((host) => policy.names(host))).toEqual([true, true, true])
    expect(['example.com', '11.0.0.1', '[::2]', ''].map((host) => policy.names(host))).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('what is no entry', () => {
  const WRONG = [
    'http://x',
    'localhost:80',
    '*.test',
    '10.0.0.0/33',
    '10.0.0.0/',
    '::/129',
    '1.2.3',
    'a b',
    '',
    'a/8',
    'a?b',
    'u@a',
  ]

  it.each(WRONG)('%j', (entry) => {
    expect(invalidDestinations([entry])).toEqual([entry])
  })

  it('is told all at once', () => {
    expect(invalidDestinations(['localhost', ...WRONG, '10.0.0.0/8'])).toEqual(WRONG)
    expect(() => createDestinationPolicy(['ok.test', 'a b', '10.0.0.0/99'])).toThrow('"a b", "10.0.0.0/99"')
  })
})
