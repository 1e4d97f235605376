import { describe, expect, it } from 'vitest'
import { ANYONE, type Scope } from '../../../src/domain/access.js'
import { Tokens } from '../../../src/http/tokens.js'

const token = (name: string, ...scopes: Scope[]) => ({ token: name, scopes: new Set(scopes) })
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`

describe('Tokens', () => {
  const tokens = new Tokens([token('reader', 'read'), token('a:b', 'launch', 'admin')])
  const scopesOf = (authorization: string | undefined) => [...(tokens.identify(authorization)?.scopes ?? [])]

  it.each([
    ['Bearer reader', ['read']],
    ['bearer  reader ', ['read']],
    ['Bearer a:b', ['launch', 'admin']],
    [basic('anyone:reader'), ['read']],
    [basic(':a:b'), ['launch', 'admin']],
  ])('knows %s', (authorization, scopes) => {
    expect(scopesOf(authorization)).toEqual(scopes)
  })

  it.each([
    undefined,
    '',
    'reader',
    'Bearer',
    'Bearer ',
    'Bearer reade',
    'Bearer readers',
    'Bearer READER',
    'Bearer reader reader',
    'Digest reader',
    basic('reader:'),
    basic(''),
    'Basic !!!',
    `Bearer ${'x'.repeat(100_000)}`,
  ])('does not know %s', (authorization) => {
    expect(tokens.identify(authorization)).toBeNull()
  })

  it('gives each token a space of its own, which does not tell the token', () => {
    const [one, other] = ['Bearer reader', 'Bearer a:b'].map((header) => tokens.identify(header)?.space)
    expect(one).not.toBe(other)
    expect(one).not.toContain('reader')
    expect(tokens.identify(basic('me:reader'))?.space).toBe(one)
    expect(one).not.toBe(ANYONE.space)
  })

  it('lets everybody in where there are none', () => {
    const none = new Tokens([])
    expect(none.required).toBe(false)
    expect([none.identify(undefined), none.identify('Bearer anything')]).toEqual([ANYONE, ANYONE])
  })
})
