/** GraphiQL for browsers, from this server alone: nothing of it is loaded from elsewhere. */

import type { GraphiQLOptions, Plugin } from 'graphql-yoga'
import { EXAMPLES } from '../graphql/examples.js'

/** `query: null` lets the first tab show its own query in place of GraphiQL's welcome. */
type PageOptions = GraphiQLOptions & { query?: null }

const OPTIONS: PageOptions = {
  title: 'Heddle',
  defaultTabs: EXAMPLES.map(({ query, variables }) => ({
    query,
    variables: variables === null ? null : JSON.stringify(variables, null, 2),
  })),
}

/** A link with an operation in it opens with that. */
export function graphiqlOptions(request: Request): PageOptions {
  return new URL(request.url).searchParams.has('query') ? OPTIONS : { ...OPTIONS, query: null }
}

/** The page is some megabytes of text: put together once each, and only where someone looks. */
const pages = new Map<boolean, Promise<string>>()

export function renderGraphiql(options: PageOptions): Promise<string> {
  const linked = options.query === undefined
  const page =
    pages.get(linked) ?? import('@graphql-yoga/render-graphiql').then(({ renderGraphiQL }) => renderGraphiQL(options))
  pages.set(linked, page)
  return page
}

/**
 * What the page may do: run its own scripts, and speak to this server. The browser itself refuses what would go
 * anywhere else, and no page may show it in a frame.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'unsafe-eval' blob:",
  'worker-src blob:',
  "style-src 'unsafe-inline'",
  'img-src data:',
  'font-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function useGraphiqlPolicy(): Plugin {
  return {
    onResponse({ response }) {
      if (!response.headers.get('content-type')?.startsWith('text/html')) return
      response.headers.set('content-type', 'text/html; charset=utf-8')
      response.headers.set('content-security-policy', POLICY)
    },
  }
}
