import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const ENTRY = fileURLToPath(new URL('../../dist/demo/main.js', import.meta.url))
const STRATEGIES = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES']

interface Report {
  ok: boolean
  pipeline: { wallMs: number; apart: { fetchMs: number; computeMs: number }; check: { ok: boolean; message: string } }
  pitfalls: { diagnostics: { code: string }[]; check: { ok: boolean; message: string } }[]
  examples: {
    title: string
    rows: { strategy: string; wallMs: number; speedup: number; efficiency: number; concurrency: number }[]
    check: { ok: boolean; message: string }
    lesson: string
  }[]
}

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-demo-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

/** The demonstration with a temporary folder of its own, to see what it leaves there. */
function start(args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [ENTRY, ...args], {
    env: { ...process.env, TMPDIR: folder, DATABASE_URL: 'file:/nowhere/at/all.db' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let [out, err] = ['', '']
  child.stdout?.on('data', (part) => (out += part))
  child.stderr?.on('data', (part) => (err += part))
  const [code] = await once(child, 'close')
  return { code, out, err }
}

/** Resolves when the demonstration has printed this line. */
async function printed(child: ChildProcess, text: string): Promise<void> {
  if (child.stdout === null) throw new Error('there is no output')
  for await (const line of createInterface({ input: child.stdout })) if (line === text) return
  throw new Error(`it ended without printing "${text}"`)
}

describe('the demonstration', { timeout: 120_000 }, () => {
  it('measures every example under its strategies, finds all outputs right, and leaves nothing behind', async () => {
    const { code, out, err } = await ended(start(['--json']))
    expect(err).toBe('')
    expect(code).toBe(0)
    const report: Report = JSON.parse(out)
    expect(report.ok).toBe(true)
    expect(report.examples.map(({ rows }) => rows.map(({ strategy }) => strategy))).toEqual([
      ['SEQUENTIAL', 'ASYNC'],
      STRATEGIES,
      STRATEGIES,
      STRATEGIES,
      STRATEGIES,
    ])
    for (const { rows, check, lesson } of report.examples) {
      expect(check.ok, check.message).toBe(true)
      expect(lesson).not.toBe('')
      for (const row of rows) {
        expect(row.speedup).toBeCloseTo((rows[0]?.wallMs ?? 0) / row.wallMs, 10)
        expect(row.efficiency).toBeCloseTo(row.speedup / row.concurrency, 10)
      }
    }
    expect(report.pipeline.check.ok, report.pipeline.check.message).toBe(true)
    expect(report.pitfalls).toHaveLength(3)
    for (const { check } of report.pitfalls) expect(check.ok, check.message).toBe(true)
    expect(await readdir(folder)).toEqual([])
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('cleans up after a %s', async (signal, exitCode) => {
    const child = start()
    const end = ended(child)
    await printed(child, 'Three downloads')
    child.kill(signal)
    // As npm does: once more, while it is cleaning up.
    child.kill(signal)
    const { code, err } = await end
    expect(err).toBe('')
    expect(code).toBe(exitCode)
    expect(await readdir(folder)).toEqual([])
  })
})
