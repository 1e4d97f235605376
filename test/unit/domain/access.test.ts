import { describe, expect, it } from 'vitest'
import { parseTokens } from '../../../src/domain/access.js'

describe('parseTokens', () => {
  it('reads tokens with their scopes, colons within a token too', () => {
    const { tokens, problems } = parseTokens(['reader:read', 'a:b:launch+admin', 'all:read+launch+admin'])
    expect(problems).toEqual([])
    expect(tokens.map(({ token, scopes }) => [token, [...scopes]])).toEqual([
      ['reader', ['read']],
      ['a:b', ['launch', 'admin']],
      ['all', ['read', 'launch', 'admin']],
    ])
  })

  it('tells all that is wrong by its place, and no token', () => {
    const entries = ['secret', 'secret:', 'write:secret+read', ':read', 'secret one:read', 'twice:read', 'twice:admin']
    const { tokens, problems } = parseTokens([...entries, 'a:read;secret:launch', 'secret:read:launch'])
    expect(tokens.map(({ token }) => token)).toEqual(['twice'])
    expect(problems).toEqual([
      'entry 1 has no scopes, expected token:scope+scope',
      'entry 2 has a scope that is none of read, launch, admin',
      'entry 3 has a scope that is none of read, launch, admin',
      'entry 4 has no token before its scopes, expected token:scope+scope',
      'entry 5 has a token with spaces or signs that no header can carry',
      'entry 7 has a token that an entry before it has',
      'entry 8 has scopes within its token: entries are separated by commas, scopes by +',
      'entry 9 has scopes within its token: entries are separated by commas, scopes by +',
    ])
    expect(problems.join()).not.toContain('secret')
  })
})
