/** What is where, and for whom. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Identity, Scope } from '../domain/access.js'
import type { SignedLink } from '../domain/export-links.js'
import type { ApiServices } from '../graphql/context.js'
import { answerBlob, BLOBS_PATH } from './blobs.js'
import { Exports, RUNS_PATH, signedLinkOf } from './exports.js'
import { answerHealth, answerReady, type Readiness } from './health.js'
import { answerHome } from './home.js'
import type { Metrics } from './metrics.js'
import { GRAPHQL_PATH } from './operations.js'

export type Handler = (req: IncomingMessage, res: ServerResponse, identity: Identity) => void | Promise<void>

export interface Route {
  handle: Handler
  /** Anyone; any caller that is let in, as what is there looks for itself; or those whose token opens the scope. */
  audience: 'ANYONE' | 'CALLERS' | Scope
  /** Null: what is there looks for itself. */
  methods: readonly string[] | null
  /** Whether the request is answered with a page of ours, whatever else is there. */
  opensPage(req: IncomingMessage): boolean
  /** A link that may open it to whoever has no token; left out where there are none such. */
  linkOf?(req: IncomingMessage): SignedLink | null
}

export interface RouteSettings {
  services: ApiServices
  introspection: boolean
  readiness: Readiness
  graphql: Handler
  /** Without them there is nothing to be scraped. */
  metrics?: Pick<Metrics, 'answer'>
}

const READING = ['GET', 'HEAD']
const never = () => false

/** The route of a path; undefined where nothing is. */
export function createRoutes(settings: RouteSettings): (path: string) => Route | undefined {
  const { services, introspection, readiness, graphql, metrics } = settings
  const routes = new Map<string, Route>([
    ['/health', { handle: (_req, res) => answerHealth(res), audience: 'ANYONE', methods: READING, opensPage: never }],
    [
      '/ready',
      { handle: (_req, res) => answerReady(res, readiness), audience: 'ANYONE', methods: READING, opensPage: never },
    ],
    [
      '/',
      {
        handle: (_req, res) => answerHome(res, services.vitals.version, introspection),
        audience: Scope.READ,
        methods: READING,
        opensPage: isReading,
      },
    ],
    [
      GRAPHQL_PATH,
      {
        handle: graphql,
        audience: 'CALLERS',
        methods: null,
        opensPage: (req) => introspection && isReading(req) && acceptsPage(req),
      },
    ],
  ])
  if (metrics) {
    const handle: Handler = (_req, res) => metrics.answer(res)
    routes.set('/metrics', { handle, audience: Scope.READ, methods: READING, opensPage: never })
  }
  const blobs: Route = {
    handle: (req, res) => answerBlob(req, res, (sha256) => services.store.body(sha256)),
    audience: Scope.READ,
    methods: READING,
    opensPage: never,
  }
  const exports = new Exports(services)
  const files: Route = {
    handle: (req, res, identity) => exports.answer(req, res, identity),
    audience: Scope.READ,
    methods: READING,
    // A link to a file may stand anywhere: whoever follows it saves the file, and the page that it stands on learns nothing.
    opensPage: isReading,
    linkOf: signedLinkOf,
  }
  return (path) => {
    if (path.startsWith(RUNS_PATH)) return files
    return path.startsWith(BLOBS_PATH) ? blobs : routes.get(path)
  }
}

function isReading({ method }: IncomingMessage): boolean {
  return READING.includes(method ?? '')
}

/** What a browser says that wants to show something. */
function acceptsPage({ headers }: IncomingMessage): boolean {
  return headers.accept?.includes('text/html') === true
}
