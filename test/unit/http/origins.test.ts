import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { isForeignOrigin } from '../../../src/http/origins.js'

const request = (host: string, origin?: string) => ({ headers: { host, origin } }) as IncomingMessage

describe('isForeignOrigin', () => {
  it.each([
    ['127.0.0.1:4000', undefined],
    ['127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['LOCALHOST:4000', 'http://localhost:4000'],
    ['heddle.localhost:4000', 'http://heddle.localhost:4000'],
    ['[::1]:4000', 'http://[::1]:4000'],
    ['127.0.0.1', 'https://127.0.0.1'],
    ['anything', 'https://app.example'],
  ])('lets %s be called from %s', (host, origin) => {
    expect(isForeignOrigin(request(host, origin), ['https://app.example'])).toBe(false)
  })

  it.each([
    ['127.0.0.1:4000', 'http://localhost:4000'],
    ['127.0.0.1:4000', 'http://127.0.0.1:4001'],
    ['127.0.0.1:4000', 'null'],
    ['127.0.0.1:4000', 'https://app.example.evil.example'],
    ['127.0.0.1:4000', 'http://app.example'],
    // A name of the attacker's that resolves to this machine.
    ['evil.example:4000', 'http://evil.example:4000'],
  ])('does not let %s be called from %s', (host, origin) => {
    expect(isForeignOrigin(request(host, origin), ['https://app.example'])).toBe(true)
  })
})
