/** The origin by itself, to try things by hand: `npm run origin`; on another port `npm run origin -- --port 5000`. */

import { parseArgs } from 'node:util'
import { startOrigin } from './origin.js'

const DEFAULT_PORT = '4001'

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: DEFAULT_PORT } } })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`--port is "${values.port}", expected a whole number from 0 to 65535`)
  }
  const origin = await startOrigin({ port })
  console.log(`The origin is listening on ${origin.url}. Heddle reaches it with HEDDLE_ALLOW_HOSTS=127.0.0.1`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => origin.close())
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
