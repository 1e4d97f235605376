/**
 * Whatever is sent, the server answers with no fault of its own, tells nothing of where it lives, and goes on.
 * HEDDLE_TEST_FUZZ says how many cases; a case that fails is printed with its seed, which HEDDLE_TEST_SEED repeats.
 */

import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.js'
import type { Known } from './documents.js'
import { bodyCase, type Case, formCase, headCase, noiseCase, operationCase } from './requests.js'
import { SocketFuzz } from './sockets.js'
import { chance, type Gen, oneOf } from './values.js'

const cases = Number(process.env.HEDDLE_TEST_FUZZ ?? 1_000)
const seed = Number(process.env.HEDDLE_TEST_SEED ?? Date.now() % 1_000_000)
const CASE_MS = 60_000
/** For all of them, and to make a case that fails smaller. */
const TIME_MS = 120_000 + cases * 10
/** What a stream gets to send its first event. */
const STREAM_MS = 20
/** Of one answer: a stream has no end, and the pages are long. */
const READ_BYTES = 300_000
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Of scopes that none of the root fields takes all of. */
const TOKENS = { reader: 'read', launcher: 'launch', owner: 'admin+read' }
/** A query, mutation or subscription in so many of a hundred whole operations is answered with data, or the fuzz is all noise. */
const MIN_EXECUTED_PERCENT = 10

/** A server, and on whose behalf it is asked. */
interface Target {
  server: TestServer
  authorization: string | null
  /** Whether nothing but a refusal may come of it. */
  isStranger: boolean
}

let server: TestServer
let guarded: TestServer
let sockets: SocketFuzz
let known: Known

beforeAll(async () => {
  const settings = { HEDDLE_ALLOW_HOSTS: '', HEDDLE_MAX_ITEMS: '100', HEDDLE_MAX_INLINE_ITEMS: '20' }
  const tokens = Object.entries(TOKENS).map((pair) => pair.join(':'))
  server = await startTestServer(settings)
  guarded = await startTestServer({ ...settings, HEDDLE_TOKENS: tokens.join() })
  const { api } = server
  const run = await api.finish(
    api.launchCompute({ function: 'hash', source: { inputs: ['a', 'b', 'c'] }, options: { labels: [] } }),
  )
  const failed = await api.finish(
    api.launchFetch({ source: { urls: ['http://127.0.0.1/'] }, options: { retry: { maxAttempts: 1 } } }),
  )
  const tasks = await api.tasks<{ id: string }>(run, 'id')
  const { tasks: page } = await api.run<{ tasks: { edges: { cursor: string }[] } }>(run, 'tasks { edges { cursor } }')
  known = { ids: [run, failed, ...tasks.map(({ id }) => id)], cursors: page.edges.map(({ cursor }) => cursor) }
  sockets = new SocketFuzz(api.url)
})

afterAll(async () => {
  await server.close()
  await guarded.close()
})

function targetOf(g: Gen): Target {
  if (chance(g, 70)) return { server, authorization: null, isStranger: false }
  const isStranger = chance(g, 30)
  const token = isStranger
    ? oneOf(g, ['', 'nobody', 'reade', 'READER', 'reader reader'])
    : oneOf(g, Object.keys(TOKENS))
  return { server: guarded, authorization: `${oneOf(g, ['Bearer', 'bearer'])} ${token}`, isStranger }
}

/** As its first header. */
function authorized(bytes: Buffer, authorization: string | null): Buffer {
  const at = bytes.indexOf('\r\n') + 2
  if (authorization === null || at < 2) return bytes
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(`authorization: ${authorization}\r\n`), bytes.subarray(at)])
}

const KINDS = [operationCase, operationCase, operationCase, bodyCase, formCase, headCase, noiseCase] as const

/** What the server says to these bytes, until it closes, or has said enough. */
function exchange({ bytes, isRequest }: Case, { api }: TestServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => {
      // What is no whole request would be waited for.
      if (isRequest) socket.write(bytes)
      else socket.end(bytes)
    })
    let answer = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      answer += piece
      const isStream = answer.includes('text/event-stream') && answer.includes('\r\n\r\n')
      // A stream has no end; its first event comes at once, if there is one.
      if (isStream && !answer.includes('event: ')) setTimeout(() => socket.destroy(), STREAM_MS)
      else if (isStream || answer.includes('101 Switching') || answer.length > READ_BYTES) socket.destroy()
    })
    const late = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(
          `no end within ${CASE_MS} ms\n> ${bytes.toString('latin1').slice(0, 2000)}\n< ${answer.slice(0, 2000)}`,
        ),
      )
    }, CASE_MS)
    socket.once('close', () => {
      clearTimeout(late)
      resolve(answer)
    })
    // A connection that is cut is an answer to bytes that are no request.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
  })
}

/** What no answer may have. */
function problemsOf(answer: string, sent: string, { dataDir }: TestServer): string[] {
  const problems: string[] = []
  if (/^HTTP\/1\.1 5/.test(answer)) problems.push('it answered with a fault of its own')
  if (/"code":"INTERNAL"/.test(answer)) problems.push('it told of an internal error')
  for (const secret of [ROOT, dataDir, 'node_modules', 'heddle.db', 'SQLITE_', 'prisma']) {
    if (answer.includes(secret) && !sent.includes(secret)) problems.push(`it told ${secret}`)
  }
  if (/\n? +at .+\.[jt]s:\d+/.test(answer)) problems.push('it told a stack')
  return problems
}

async function isAlive({ api }: TestServer): Promise<boolean> {
  const response = await fetch(`${api.url}/health`)
  return response.ok
}

it(
  `a server that is sent anything stays well (${cases} cases, seed ${seed})`,
  async () => {
    let [operations, executed] = [0, 0]
    const property = fc.asyncProperty(fc.gen(), async (g: Gen) => {
      const kind = oneOf(g, KINDS)
      const target = targetOf(g)
      const { bytes, isRequest } = kind(g, known)
      const sent = { bytes: authorized(bytes, target.authorization), isRequest }
      const answer = await exchange(sent, target.server)
      const problems = problemsOf(answer, sent.bytes.toString('latin1'), target.server)
      if (isRequest && !answer.startsWith('HTTP/1.1 ')) problems.push('it did not answer')
      if (isRequest && target.isStranger && !answer.startsWith('HTTP/1.1 4')) problems.push('it let a stranger in')
      const [fault] = target.server.logged.splice(0).filter(({ level }) => level === 'error' || level === 'fatal')
      if (fault) problems.push(`it logged ${JSON.stringify(fault)}`)
      if (problems.length > 0) {
        throw new Error(
          `${problems.join(', ')}\n> ${sent.bytes.toString('latin1').slice(0, 2000)}\n< ${answer.slice(0, 2000)}`,
        )
      }
      if (kind !== operationCase || target.isStranger) return
      operations += 1
      if (answer.includes('"data":{')) executed += 1
    })
    await fc.assert(property, { numRuns: cases, seed, interruptAfterTimeLimit: TIME_MS, markInterruptAsFailure: true })
    expect((100 * executed) / operations).toBeGreaterThan(MIN_EXECUTED_PERCENT)
    for (const one of [server, guarded]) expect(await isAlive(one)).toBe(true)
    expect(await server.api.ask('{ __typename }')).toEqual({ __typename: 'Query' })
  },
  TIME_MS + 2 * CASE_MS,
)

it(
  `a WebSocket that is sent anything closes, or answers (${Math.ceil(cases / 10)} cases)`,
  async () => {
    const property = fc.asyncProperty(fc.gen(), async (g: Gen) => {
      const said = await sockets.exchange(g, known)
      const problems = problemsOf(said.answers, said.sent, server)
      if (problems.length > 0) throw new Error(`${problems.join(', ')}\n> ${said.sent}\n< ${said.answers}`)
    })
    await fc.assert(property, { numRuns: Math.ceil(cases / 10), seed, timeout: CASE_MS })
    expect(await isAlive(server)).toBe(true)
  },
  120_000 + cases * 20,
)
