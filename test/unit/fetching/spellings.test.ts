import { createServer, isIP, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Connector } from '../../../src/fetching/connector.js'
import { createDestinationPolicy, FORBIDDEN } from '../../../src/fetching/destination.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { type Origin, startOrigin } from '../../support/origin.js'
import { get } from './client.js'

/** Counts the connections to one port of 127.0.0.1, of ::1, and so of 0.0.0.0 and ::. */
const listeners: Server[] = []
let connections = 0
let port = 0

/** Whoever asks the resolver is led to this machine: a hostile one, or the hosts file. */
const resolve = async () => ['127.0.0.1', '::1'].map((address) => ({ address, family: isIP(address) }))
let fetcher: Fetcher

beforeAll(async () => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer((socket) => {
      connections += 1
      socket.on('error', () => undefined).end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
    await new Promise<void>((settle) => server.once('error', () => settle()).listen({ port, host }, settle))
    if (server.listening) listeners.push(server)
    port ||= (server.address() as { port: number }).port
  }
  fetcher = createFetcher({ allow: [], resolve })
})

afterAll(async () => {
  await fetcher.close()
  await Promise.all(listeners.map((server) => new Promise((settle) => server.close(settle))))
})

/** Letters and digits that are read as those of ASCII. */
const fullWidth = (text: string) =>
  text.replace(/[!-~]/g, (character) => String.fromCodePoint(character.charCodeAt(0) + 0xfee0))
const circled = (text: string) =>
  text
    .replace(/[1-9]/g, (digit) => String.fromCodePoint(0x2460 + Number(digit) - 1))
    .replace(/0/g, '⓪')
    .replace(/[a-z]/g, (letter) => String.fromCodePoint(0x24d0 + letter.charCodeAt(0) - 97))

const HOSTS = [
  // 127.0.0.1
  ...['127.0.0.1', '127.0.0.1.', '127.255.255.254', '2130706433', '2130706433.', '017700000001', '0x7f000001'],
  ...['0X7F000001', '0x7f.0.0.1', '0177.0.0.1', '127.1', '127.0.1', '127.0x1', '0x7f.1', '0177.1', '00000177.0.0.01'],
  ...['127.000000000000000000000000000001', '0x00000000000000000000007f.0x0.0x0.0x1'],
  ...[fullWidth('127.0.0.1'), circled('127.0.0.1'), '127。0。0。1', '127．0．0．1', '127｡0｡0｡1', '１２７。１'],
  ...['%31%32%37.0.0.1', '127%2e0%2e0%2e1', '127.0.0.1%2e'],
  // Every interface.
  ...['0', '0.', '0.0.0.0', '0x0', '00', '000.000.000.000', '0.0', '[::]', '[0:0:0:0:0:0:0:0]'],
  // IPv6, and IPv4 in it.
  ...['[::1]', '[0:0:0:0:0:0:0:1]', '[0000:0000:0000:0000:0000:0000:0000:0001]', '[::0001]', '[0::1]'],
  ...['[::ffff:127.0.0.1]', '[::FFFF:7F00:1]', '[0:0:0:0:0:ffff:127.0.0.1]', '[::127.0.0.1]', '[::7f00:1]'],
  ...['[::ffff:0:127.0.0.1]', '[64:ff9b::127.0.0.1]', '[64:ff9b:1::127.0.0.1]', '[2002:7f00:1::1]', '[2001:0:1::1]'],
  ...['[fe80::1]', '[fec0::1]', '[fc00::1]', '[fd00:ec2::254]', '[ff02::1]', '[2a00:1450::5efe:127.0.0.1]'],
  // Names.
  ...['localhost', 'LOCALHOST', 'localhost.', 'LOCALHOST.', 'lOcAlHoSt', circled('localhost'), fullWidth('localhost')],
  ...['local\u00adhost', 'local\u200bhost', '%6c%6f%63alhost', 'foo.localhost', 'foo.localhost.', 'FOO.LOCALHOST'],
  ...[
    'ip6-localhost',
    'ip6-loopback',
    'localhost.localdomain',
    'a-machine',
    'metadata.google.internal',
    '127.0.0.1.nip.io',
  ],
  // Other machines of the inside.
  ...['10.0.0.1', '167772161', '192.168.1', '172.16.1', '0xa9fea9fe', '169.254.43518', '0251.0376.0251.0376'],
  ...['[::ffff:a9fe:a9fe]', '100.100.100.200', '192.0.0.192', '168.63.129.16', '0xa83f8110', '255.255.255.255'],
]

const AROUND_HOSTS = (at: string) => [
  `http://user:pw@${at}/`,
  `http://public.test@${at}/`,
  `http://public.test:80@${at}/`,
  `http:\\\\${at}\\`,
  `http:/${at}/`,
  `http:${at}/`,
  `http:////${at}/`,
  `http://\t${at}/`,
  `ht\ntp://${at.replace('.', '.\r\n')}/`,
  `  http://${at}/  `,
  `HTTP://${at}/`,
  `HtTpS://${at}/`,
  `http://${at}\\@public.test/`,
  `http://${at}#@public.test/`,
  `http://${at}?@public.test/`,
  `http://${at}/@public.test/`,
]

const NO_URLS = (at: string) => [
  'http://[::1%lo]/',
  'http://[::1%25lo]/',
  'http://[fe80::1%25eth0]/',
  'http://127.0.0.1%00/',
  'http://127.0.0.1%2f/',
  'http://[::1/',
  'http://::1/',
  'http://6425673729/',
  'http://0x17f000001/',
  'http://256.0.0.1/',
  `http://${at}:80/`,
  `file://${at}/`,
  `ftp://${at}/`,
  `gopher://${at}/`,
  `ws://${at}/`,
  `unix:${at}`,
]

describe('the ways to write what is inside', () => {
  it('are all refused, and none is reached', async () => {
    const urls = [...HOSTS.flatMap((host) => [`http://${host}:${port}/`, `https://${host}:${port}/`])]
    urls.push(...AROUND_HOSTS(`127.0.0.1:${port}`))
    const outcomes = await Promise.all(urls.map((url) => get(fetcher, url)))
    expect(HOSTS.length).toBeGreaterThan(60)
    for (const [at, { error, detail }] of outcomes.entries()) {
      expect(error, urls[at]).toEqual({ code: 'DESTINATION_FORBIDDEN', message: FORBIDDEN, retryable: false })
      // Nor does any time that was taken say how far it got.
      expect(detail).toMatchObject({ status: null, dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null })
    }
    expect(connections).toBe(0)
  })

  it('are no URLs of the web, or none at all', async () => {
    for (const url of NO_URLS(`127.0.0.1:${port}`))
      expect((await get(fetcher, url)).error?.code, url).toBe('INVALID_INPUT')
    expect(connections).toBe(0)
  })

  it('are refused where a redirect leads there', async () => {
    const origin = await startOrigin()
    const front = createFetcher({ allow: ['front.test'], resolve })
    const redirected = (to: string) =>
      get(front, `http://front.test:${origin.port}/redirect?to=${encodeURIComponent(to)}`)
    for (const host of HOSTS) {
      const { error, detail } = await redirected(`http://u:p@${host}:${port}/`)
      expect(error?.code, host).toBe('DESTINATION_FORBIDDEN')
      expect(detail.finalUrl).not.toContain('u:p@')
    }
    // The same place as the one that it comes from, under a name that nobody has allowed.
    for (const host of ['127.0.0.1', 'localhost', 'front.test.localhost', 'back.test'])
      expect((await redirected(`http://${host}:${origin.port}/ok`)).error?.code).toBe('DESTINATION_FORBIDDEN')
    expect(origin.requests('/ok')).toBe(0)
    expect(connections).toBe(0)
    await front.close()
    await origin.close()
  })
})

describe('other ways in', () => {
  let origin: Origin
  beforeAll(async () => {
    origin = await startOrigin()
  })
  afterAll(() => origin.close())

  it('no Host header moves a request, or a connection that others use', async () => {
    const outside = createFetcher({ allow: ['own.test'], resolve })
    for (const host of ['127.0.0.1', `127.0.0.1:${port}`, 'own.test', 'localhost']) {
      const headers = [{ name: 'Host', value: host }]
      const { error } = await get(outside, `http://public.test:${origin.port}/ok`, { headers })
      expect(error?.code).toBe('DESTINATION_FORBIDDEN')
      expect((await get(outside, `http://own.test:${origin.port}/ok`, { headers })).error).toBeNull()
    }
    expect(new Set(origin.arrivals.map((arrival) => arrival.host)).size).toBe(4)
    expect(connections).toBe(0)
    await outside.close()
  })

  it('no proxy of the environment is asked', async () => {
    const proxy = `http://127.0.0.1:${port}`
    for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'])
      vi.stubEnv(name, name === 'NODE_USE_ENV_PROXY' ? '1' : proxy)
    const direct = createFetcher({ allow: ['own.test'], resolve })
    expect((await get(direct, `http://own.test:${origin.port}/ok`)).error).toBeNull()
    await direct.close()
    vi.unstubAllEnvs()
    expect(connections).toBe(0)
  })

  it('a socket that has come to this machine is closed before anything is sent, whatever the system told of its addresses', async () => {
    const before = origin.requests()
    const blind = { ...createDestinationPolicy([]), allows: () => true, isOutOfReach: () => false, names: () => false }
    const connector = new Connector({ policy: blind })
    const target = { hostname: '127.0.0.1', port: String(origin.port), protocol: 'http:' }
    const failure = await new Promise((settle) => connector.open(target, (found) => settle(found)))
    expect(failure).toMatchObject({ code: 'DESTINATION_FORBIDDEN' })
    expect(origin.requests()).toBe(before)
  })
})
