/** The hosts that runs fetch from, and what each bears of all of them. */

import type { HostStatus } from '../engine/engine.js'
import { builder } from './builder.js'
import { listOf, sizeAsked } from './cost.js'
import { sizeWithin } from './pages.js'

const DEFAULT_HOSTS = 1_000
const MAX_HOSTS = 10_000

const HostType = builder.objectRef<HostStatus>('Host').implement({
  description: 'A host that runs, or the tries of plans, fetch from: what all of them together ask of it.',
  fields: (t) => ({
    host: t.exposeString('host', {
      description: "URL.host: with its port, where that is not the scheme's own.",
    }),
    inFlight: t.exposeInt('inFlight', {
      description: 'Requests in flight now, over all runs. Counted where the first request of an item goes.',
    }),
    queued: t.exposeInt('queued', {
      description:
        'Items that wait for it, as far as they have been read: of a list, a file or a later stage some thousand ahead. Those in back-off are not among them.',
    }),
    requests: t.exposeInt('requests', {
      description:
        'Requests that have ended since the server started, each attempt by itself. Of redirects the first host and the last one are known.',
    }),
    failures: t.exposeInt('failures', { description: 'Of them, those that failed, for whatever reason.' }),
    p95Ms: t.float({
      nullable: true,
      description:
        'Milliseconds within which 95 % of the last 100 requests ended, those that were redirected apart; null where there were none.',
      resolve: (host) => host.p95Ms(),
    }),
    throttledUntil: t.expose('throttledUntil', {
      type: 'DateTime',
      nullable: true,
      description:
        'Set while the origin asks to be left alone, by a Retry-After with status 429 or 503: until then no run sends anything to it.',
    }),
    restingUntil: t.expose('restingUntil', {
      type: 'DateTime',
      nullable: true,
      description:
        'Set while the host is left alone as it keeps failing: then one request is sent to see. Never of hosts that HEDDLE_ALLOW_HOSTS names.',
    }),
  }),
})

builder.queryField('hosts', (t) =>
  t.field({
    type: [HostType],
    complexity: ({ first }) => listOf(sizeAsked(first, { fallback: DEFAULT_HOSTS, max: MAX_HOSTS })),
    description:
      'The origins that runs fetch from, and what each bears: those with most in flight first, then those that most waits for, then the last used. Of those that nobody has to do with any more the last 10,000 are remembered, until the server ends.',
    args: {
      first: t.arg.int({ defaultValue: DEFAULT_HOSTS, description: 'At most this many, 0 to 10,000.' }),
    },
    resolve: (_root, { first }, { engine }) => engine.hosts(sizeWithin('first', first ?? DEFAULT_HOSTS, MAX_HOSTS)),
  }),
)
