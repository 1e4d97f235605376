import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { invalidDestinations } from '../../../src/domain/destinations.js'
import { createDestinationPolicy } from '../../../src/fetching/destination.js'

const open = createDestinationPolicy([])

describe('what is refused', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['100.64.0.1', 'carrier-grade'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['0.1.2.3', 'reserved|unspecified'],
    ['192.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['198.51.100.7', 'reserved'],
    ['203.0.113.7', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['fec0::1', 'reserved'],
    ['100::1', 'reserved'],
    ['4000::1', 'reserved'],
    // IPv4 in the clothes of IPv6.
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a00:1', 'private'],
    ['::127.0.0.1', 'reserved'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b:1::a00:1', 'reserved'],
    ['2002:7f00:1::', 'tunnel'],
    ['2002:808:808::', 'tunnel'],
    ['2001:0:4136:e378::1', 'tunnel'],
    ['no address', 'no address'],
    ['0x7f000001', 'no address'],
  ])('%s', (address, kind) => {
    expect(open.refusal('name.test', address)).toMatch(new RegExp(kind))
  })

  it('every address of 127.0.0.0/8, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const loopback = address.replace(/^\d+/, '127')
        expect(open.refusal('name.test', loopback)).not.toBeNull()
        expect(open.refusal('name.test', `::ffff:${loopback}`)).not.toBeNull()
        expect(open.refusal('name.test', `64:ff9b::${loopback}`)).not.toBeNull()
      }),
    )
  })
})

describe('what is public', () => {
  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1', '::ffff:8.8.8.8'])(
    '%s',
    (address) => expect(open.refusal('name.test', address)).toBeNull(),
  )

  it('a public address behind NAT64', () => {
    expect(open.refusal('name.test', '64:ff9b::8.8.8.8')).toBeNull()
  })
})

describe('what is allowed', () => {
  it('a name opens whatever the name stands for, and nothing else', () => {
    const policy = createDestinationPolicy(['Internal.Example', 'bücher.test'])
    expect(policy.refusal('internal.example', '10.0.0.1')).toBeNull()
    expect(policy.refusal('INTERNAL.example.', '::1')).toBeNull()
    expect(policy.refusal('xn--bcher-kva.test', '::1')).toBeNull()
    expect(policy.refusal('sub.internal.example', '10.0.0.1')).toMatch('private')
    expect(policy.refusal('10.0.0.1', '10.0.0.1')).toMatch('private')
  })

  it('an address opens itself, for every name', () => {
    const policy = createDestinationPolicy(['127.0.0.1', '[::1]'])
    expect(policy.refusal('any.test', '127.0.0.1')).toBeNull()
    expect(policy.refusal('any.test', '::ffff:127.0.0.1')).toBeNull()
    expect(policy.refusal('any.test', '::1')).toBeNull()
    expect(policy.refusal('any.test', '127.0.0.2')).toMatch('loopback')
  })

  it('a range opens its addresses', () => {
    const policy = createDestinationPolicy(['10.0.0.0/8', 'fd00::/8', '::ffff:192.168.0.0/112'])
    expect(policy.refusal('any.test', '10.255.0.1')).toBeNull()
    expect(policy.refusal('any.test', '64:ff9b::10.0.0.1')).toBeNull()
    expect(policy.refusal('any.test', 'fd12::1')).toBeNull()
    expect(policy.refusal('any.test', 'fc12::1')).toMatch('private')
    expect(policy.refusal('any.test', '192.168.7.7')).toBeNull()
    expect(policy.refusal('any.test', '192.169.0.1')).toBeNull()
    expect(policy.refusal('any.test', '11.0.0.1')).toBeNull()
    expect(policy.refusal('any.test', '172.16.0.1')).toMatch('private')
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
