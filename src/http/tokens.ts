/** Finds out whose request it is, by the token that it carries. */

import { createHash, timingSafeEqual } from 'node:crypto'
import { type AccessToken, ANYONE, type Identity, type Scope } from '../domain/access.js'

interface KnownToken {
  digest: Buffer
  identity: Identity
}

export class Tokens {
  readonly #known: readonly KnownToken[]

  /** None at all: everybody is let in as ANYONE. */
  constructor(tokens: readonly AccessToken[]) {
    this.#known = tokens.map(({ token, scopes }) => {
      const digest = digestOf(token)
      return { digest, identity: { space: digest.toString('hex'), scopes } }
    })
  }

  get required(): boolean {
    return this.#known.length > 0
  }

  /** Of the tokens that open this scope. */
  spacesWith(scope: Scope): string[] {
    return this.#known.flatMap(({ identity }) => (identity.scopes.has(scope) ? [identity.space] : []))
  }

  /** `authorization`: as the header has it, with the scheme. Null: nobody whom we know. */
  identify(authorization: string | undefined): Identity | null {
    if (!this.required) return ANYONE
    const token = tokenOf(authorization ?? '')
    if (token === '') return null
    const digest = digestOf(token)
    let found: Identity | null = null
    // All of them, each in the same time: how long it takes tells nothing of the tokens.
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) found = known.identity
    return found
  }
}

/** Of the same length for all tokens, which timingSafeEqual asks for. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/**
 * `Bearer` as programs send it; `Basic` as browsers do once they have asked their user for a password, which is the token,
 * whatever the name.
 */
function tokenOf(authorization: string): string {
  const [, scheme = '', credentials = ''] = /^([a-z]+) +([^ ]+) *$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() === 'bearer') return credentials
  if (scheme.toLowerCase() !== 'basic') return ''
  const pair = Buffer.from(credentials, 'base64').toString()
  return pair.slice(pair.indexOf(':') + 1)
}
