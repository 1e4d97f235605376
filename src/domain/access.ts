/** Who may do what: the scopes, and the tokens that carry them. */

/** What a token can open. A scope contains no other. */
export const Scope = {
  /** Queries but planBatch, subscriptions, stored bodies, exports, and the pages. */
  READ: 'read',
  /** Launching, planning, cancelling, pausing, resuming, retrying. */
  LAUNCH: 'launch',
  /** Deleting. */
  ADMIN: 'admin',
} as const
export type Scope = (typeof Scope)[keyof typeof Scope]

export const EVERY_SCOPE: ReadonlySet<Scope> = new Set(Object.values(Scope))

export interface AccessToken {
  readonly token: string
  readonly scopes: ReadonlySet<Scope>
}

/** On whose behalf something is asked for. */
export interface Identity {
  /** The space of its idempotency keys, and what its share of the limits is counted by: '' without tokens. */
  readonly space: string
  readonly scopes: ReadonlySet<Scope>
}

/** Without tokens: whoever reaches the server, as only this machine can. */
export const ANYONE: Identity = { space: '', scopes: EVERY_SCOPE }

/** What looks as if another sign had been taken for a comma or a plus. */
const WITHIN = new RegExp(`:(?:${Object.values(Scope).join('|')})\\b`)

/** What a header can carry, without the comma that separates tokens. */
const TOKEN = /^[!-+\--~]+$/

/**
 * `token:scope+scope` entries. Problems are told by the place of the entry, and quote nothing of it: what is wrong ends up on a
 * screen or in a log, and may be a token in another's place.
 */
export function parseTokens(entries: readonly string[]): {
  tokens: readonly AccessToken[]
  problems: readonly string[]
} {
  const tokens = new Map<string, AccessToken>()
  const problems: string[] = []
  for (const [place, entry] of entries.entries()) {
    const end = entry.lastIndexOf(':')
    const token = entry.slice(0, Math.max(0, end))
    const names = end < 0 ? [] : entry.slice(end + 1).split('+')
    const found = problemsOf(token, names, tokens.has(token))
    problems.push(...found.map((problem) => `entry ${place + 1} ${problem}`))
    if (found.length === 0) tokens.set(token, { token, scopes: new Set(names.filter(isScope)) })
  }
  return { tokens: [...tokens.values()], problems }
}

function problemsOf(token: string, names: readonly string[], isKnown: boolean): readonly string[] {
  if (names.length === 0) return ['has no scopes, expected token:scope+scope']
  const problems: string[] = []
  if (token === '') problems.push('has no token before its scopes, expected token:scope+scope')
  else if (!TOKEN.test(token)) problems.push('has a token with spaces or signs that no header can carry')
  if (isKnown) problems.push('has a token that an entry before it has')
  if (WITHIN.test(token)) problems.push('has scopes within its token: entries are separated by commas, scopes by +')
  if (!names.every(isScope)) problems.push(`has a scope that is none of ${Object.values(Scope).join(', ')}`)
  return problems
}

function isScope(name: string): name is Scope {
  return EVERY_SCOPE.has(name as Scope)
}
