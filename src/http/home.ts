/** The front page: where things are. */

import type { ServerResponse } from 'node:http'

export function answerHome(res: ServerResponse, version: string, graphiql: boolean): void {
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Heddle</title>
<style>body { font: 16px/1.6 system-ui, sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em }</style>
<h1>Heddle ${version}</h1>
<p>A GraphQL server that runs batches.</p>
<ul>
<li><a href="/graphql">/graphql</a>: the API${graphiql ? ', and GraphiQL with examples in a browser' : ''}</li>
<li><a href="/health">/health</a>: whether it is alive</li>
<li><a href="/ready">/ready</a>: whether it is ready</li>
<li><a href="/metrics">/metrics</a>: for Prometheus</li>
</ul>
</html>
`
  res.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(page),
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  })
  res.end(page)
}
