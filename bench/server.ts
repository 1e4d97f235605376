/** What every workload stands on: the built server as a child process, and questions to it over HTTP. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface BenchServer {
  url: string
  dataDir: string
  pid: number
  /** The data of a query; throws what the server complains of. */
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>
  close(): Promise<void>
}

/** Starts `dist/main.js` on a free port over an empty data folder. */
export async function startServer(settings: Record<string, string> = {}): Promise<BenchServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'heddle-bench-'))
  const child = spawn(process.execPath, ['dist/main.js'], {
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      HEDDLE_DATA_DIR: dataDir,
      HEDDLE_ALLOW_HOSTS: '127.0.0.1',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await announcedUrl(child)
  const ask = async <Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = (await response.json()) as { data: Data; errors?: unknown }
    if (errors) throw new Error(JSON.stringify(errors))
    return data
  }
  const close = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
    await rm(dataDir, { recursive: true, force: true })
  }
  return { url, dataDir, pid: child.pid ?? 0, ask, close }
}

/** A child that prints its address, as JSON with `url` or in a sentence. */
export function announcedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it listened`)))
    if (child.stdout === null) return reject(new Error('the process has no standard output'))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line)
      if (found) resolve(found[0])
    })
  })
}

/** Resident memory of a process in MB, as the kernel counts it. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024
}

export interface EndedRun {
  id: string
  status: string
  wallMs: number
  throughput: number
  /** From the launch to the moment at which the client knew of the end. */
  clientMs: number
}

const STATE = `query($id: ID!) { run(id: $id) { status timings { wallMs throughput } } }`

/** Launches and follows the run over SSE to its end. */
export async function runToEnd(
  server: BenchServer,
  mutation: string,
  variables: Record<string, unknown>,
): Promise<EndedRun> {
  const startMs = performance.now()
  const launched = await server.ask<{ launch: { run: { id: string } | null; userErrors: unknown[] } }>(
    mutation,
    variables,
  )
  if (launched.launch.run === null) throw new Error(JSON.stringify(launched.launch.userErrors))
  const { id } = launched.launch.run
  await followToEnd(server, id)
  const clientMs = performance.now() - startMs
  const { run } = await server.ask<{ run: { status: string; timings: { wallMs: number; throughput: number } } }>(
    STATE,
    { id },
  )
  return { id, status: run.status, wallMs: run.timings.wallMs, throughput: run.timings.throughput, clientMs }
}

async function followToEnd(server: BenchServer, id: string): Promise<void> {
  const query = 'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 20) { status } }'
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables: { id } }),
  })
  if (response.body === null) throw new Error('the subscription has no body')
  for await (const _ of response.body) {
    // The stream ends with the run.
  }
}

export const LAUNCH_COMPUTE = `mutation($input: LaunchComputeBatchInput!) {
  launch: launchComputeBatch(input: $input) { run { id } userErrors { code message field } }
}`

export const LAUNCH_FETCH = `mutation($input: LaunchFetchBatchInput!) {
  launch: launchFetchBatch(input: $input) { run { id } userErrors { code message field } }
}`

/** The middle one; of an even number the lower of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN
}

/** Nearest rank. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN
}
