import { describe, expect, it } from 'vitest'
import type { Diagnosis, Launch, RunResult } from '../../../src/demo/api.js'
import type { Measurement, Outcome } from '../../../src/demo/figures.js'
import { toRows } from '../../../src/demo/figures.js'
import { playPitfalls } from '../../../src/demo/pitfalls.js'
import { runResult } from '../../support/demo-results.js'

const saying = (code: string): Diagnosis[] => [{ code, severity: 'WARNING', message: 'it is so' }]

function measured(strategy: Measurement['strategy'], wallMs: number, diagnostics: Diagnosis[] = []): Measurement {
  const figures = { lanes: 2, concurrency: 2, serviceTotalMs: wallMs, meanConcurrency: 1, cpuMs: wallMs }
  return { strategy, wallMs, ...figures, diagnostics, timeline: [] }
}

function computing(diagnostics: Diagnosis[]): Outcome {
  const rows = toRows([measured('ASYNC', 2_000, diagnostics), measured('THREADS', 1_000)])
  return { title: '', about: '', work: 'COMPUTING', isPictured: false, rows, check: { ok: true, message: '' } }
}

interface Said {
  eventLoop?: Diagnosis[]
  workers?: Diagnosis[]
  atomicLost?: number
  cores?: number
}

async function play({
  eventLoop = saying('CPU_BOUND_ON_EVENT_LOOP'),
  workers = saying('TOO_MANY_WORKERS'),
  atomicLost = 0,
  cores = 2,
}: Said = {}) {
  const launches: Launch[] = []
  const counted = (lost: number): RunResult =>
    runResult([{ output: { expected: 2_000_000, counted: 2_000_000 - lost, lost } }])
  const timed = (wallMs: number, diagnostics: Diagnosis[] = []): RunResult => ({
    ...runResult([{}, {}]),
    timings: { wallMs, serviceTotalMs: wallMs, cpuMs: wallMs, meanConcurrency: 1 },
    diagnostics,
  })
  const pitfalls = await playPitfalls(
    async (launch, label) => {
      launches.push(launch)
      if (label === 'racy') return counted(1_234_567)
      if (label === 'atomic') return counted(atomicLost)
      return label === `${cores} lanes` ? timed(1_000) : timed(1_100, workers)
    },
    computing(eventLoop),
    { cores },
  )
  return { launches, pitfalls }
}

describe('the pitfalls', () => {
  it('are three, each with what the server says of it, and right', async () => {
    const { pitfalls } = await play()
    expect(pitfalls.map(({ diagnostics }) => diagnostics.map(({ code }) => code))).toEqual([
      ['CPU_BOUND_ON_EVENT_LOOP'],
      ['TOO_MANY_WORKERS'],
      [],
    ])
    expect(pitfalls.every(({ check }) => check.ok)).toBe(true)
    expect(pitfalls[0]?.findings.join()).toContain('took 2.00 s, the same on 2 threads 1.00 s')
    expect(pitfalls[1]?.findings.join()).toContain('16 computes on 16 lanes took 1.10 s, on 2 lanes')
    expect(pitfalls[2]?.findings.join()).toContain('lost 1,234,567')
  })

  it('asks for as many lanes as cores, and then for far too many', async () => {
    const { launches } = await play({ cores: 3 })
    expect(launches.slice(0, 2).map(({ input }) => input.options)).toMatchObject([
      { lanes: 3, strategy: 'THREADS' },
      { lanes: 24, strategy: 'THREADS' },
    ])
  })

  it('are wrong where the server does not say so, or Atomics lose something', async () => {
    const { pitfalls } = await play({ eventLoop: [], workers: [], atomicLost: 1 })
    expect(pitfalls.map(({ check }) => check.ok)).toEqual([false, false, false])
  })

  it('expect nothing of an event loop on a single core', async () => {
    const { pitfalls } = await play({ eventLoop: [], cores: 1 })
    expect(pitfalls[0]?.check.ok).toBe(true)
  })
})
