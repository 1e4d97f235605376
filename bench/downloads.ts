/** The chapter's first example: three downloads of 2 s, one by one and together. */

import { createServer } from 'node:http'
import { LAUNCH_FETCH, runToEnd, startServer } from './server.js'

const DELAY_MS = 2_000

export interface DownloadsResult {
  sequentialMs: number
  asyncMs: number
  speedup: number
}

export async function downloads(): Promise<DownloadsResult> {
  const origin = createServer((_, response) => setTimeout(() => response.end('done'), DELAY_MS))
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  const address = origin.address()
  if (typeof address !== 'object' || address === null) throw new Error('the origin has no port')
  const server = await startServer({ LOG_LEVEL: 'warn' })
  try {
    const urls = [1, 2, 3].map((n) => `http://127.0.0.1:${address.port}/file${n}.zip`)
    const wallMs = async (strategy: string) => {
      const run = await runToEnd(server, LAUNCH_FETCH, { input: { source: { urls }, options: { strategy } } })
      if (run.status !== 'SUCCEEDED') throw new Error(`the run is ${run.status}`)
      return run.wallMs
    }
    const sequentialMs = await wallMs('SEQUENTIAL')
    const asyncMs = await wallMs('ASYNC')
    return { sequentialMs, asyncMs, speedup: sequentialMs / asyncMs }
  } finally {
    await server.close()
    origin.closeAllConnections()
    origin.close()
  }
}
