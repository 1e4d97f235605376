/** Many small fetches, 64 in flight, beside undici's own `Pool.request` on the same origin with each body hashed. */

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { announcedUrl, LAUNCH_FETCH, median, runToEnd, startServer } from './server.js'

const IN_FLIGHT = 64

export interface FetchesResult {
  fetches: number
  rounds: number
  heddlePerSecond: number
  undiciPerSecond: number
  /** The median over the rounds of heddle's throughput over undici's. */
  ratio: number
  ratios: number[]
}

export async function fetches(count: number, rounds: number): Promise<FetchesResult> {
  const origin = spawn(process.execPath, [fileURLToPath(import.meta.url), 'origin'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const originUrl = await announcedUrl(origin)
  const undici = fork(fileURLToPath(import.meta.url), ['undici', originUrl])
  const server = await startServer({ LOG_LEVEL: 'warn' })
  try {
    const template = { template: `${originUrl}/json?i={i}`, to: count }
    const input = { source: { template }, options: { concurrency: IN_FLIGHT, strategy: 'ASYNC' } }
    const heddle = async () => {
      const run = await runToEnd(server, LAUNCH_FETCH, { input })
      if (run.status !== 'SUCCEEDED') throw new Error(`the run is ${run.status}`)
      return run.throughput
    }
    // Both warm: connections open and code compiled.
    await heddle()
    await perSecond(undici, count)
    const pairs: { heddle: number; undici: number }[] = []
    for (let round = 0; round < rounds; round += 1) {
      pairs.push({ heddle: await heddle(), undici: await perSecond(undici, count) })
    }
    const ratios = pairs.map((pair) => pair.heddle / pair.undici)
    return {
      fetches: count,
      rounds,
      heddlePerSecond: median(pairs.map((pair) => pair.heddle)),
      undiciPerSecond: median(pairs.map((pair) => pair.undici)),
      ratio: median(ratios),
      ratios,
    }
  } finally {
    await server.close()
    undici.kill()
    origin.kill()
  }
}

function perSecond(child: ChildProcess, count: number): Promise<number> {
  const answer = new Promise<number>((resolve) => child.once('message', (value) => resolve(Number(value))))
  child.send(count)
  return answer
}

function serveOrigin(): void {
  const server = createServer((request, response) => {
    const body = JSON.stringify({ path: request.url, words: 'warp and weft '.repeat(14) })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address) console.log(`http://127.0.0.1:${address.port}`)
  })
}

function serveUndici(originUrl: string): void {
  const pool = new Pool(originUrl, { connections: IN_FLIGHT })
  process.on('message', async (count: number) => {
    let next = 1
    const startMs = performance.now()
    const lane = async () => {
      while (next <= count) {
        const { statusCode, body } = await pool.request({ path: `/json?i=${next++}`, method: 'GET' })
        const bytes = Buffer.from(await body.arrayBuffer())
        createHash('sha256').update(bytes).digest('hex')
        if (statusCode !== 200) throw new Error(`status ${statusCode}`)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
    process.send?.((count * 1000) / (performance.now() - startMs))
  })
}

if (process.argv[2] === 'origin') serveOrigin()
if (process.argv[2] === 'undici') serveUndici(process.argv[3] ?? '')
