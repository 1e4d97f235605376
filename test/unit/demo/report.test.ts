import { describe, expect, it } from 'vitest'
import { fastest, type Measurement, type Outcome, toRows } from '../../../src/demo/figures.js'
import { lessonOf, summaryOf } from '../../../src/demo/lessons.js'
import type { PipelineOutcome } from '../../../src/demo/pipeline.js'
import type { Pitfall } from '../../../src/demo/pitfalls.js'
import {
  closingText,
  createPaint,
  isRight,
  outcomeText,
  pipelineText,
  pitfallsText,
  reportJson,
  tableOf,
  wrapped,
} from '../../../src/demo/report.js'
import { grouped, percent, seconds, times } from '../../../src/demo/units.js'

const plain = createPaint(false)
const machine = { cores: 2 }
const right = { ok: true, message: 'as expected' }

function measured(
  strategy: Measurement['strategy'],
  figures: Omit<Measurement, 'strategy' | 'diagnostics' | 'timeline'>,
): Measurement {
  const spans = [{ startMs: 0, endMs: figures.wallMs, status: 'SUCCEEDED', tasks: 3 }]
  return { strategy, ...figures, diagnostics: [], timeline: [{ lane: 'thread-1', busyFraction: 1, spans }] }
}

/** Recorded: three downloads of 2 s. */
const waiting: Outcome = {
  title: 'Three downloads',
  about: 'Three files.',
  work: 'WAITING',
  isPictured: true,
  check: right,
  rows: toRows([
    measured('SEQUENTIAL', {
      lanes: 1,
      concurrency: 1,
      wallMs: 6019,
      serviceTotalMs: 6017,
      meanConcurrency: 1,
      cpuMs: 31,
    }),
    measured('ASYNC', {
      lanes: 1,
      concurrency: 3,
      wallMs: 2008,
      serviceTotalMs: 6020,
      meanConcurrency: 2.998,
      cpuMs: 12,
    }),
  ]),
}

const pipeline: PipelineOutcome = {
  title: 'A pipeline',
  about: 'Two stages.',
  apart: { fetchMs: 600, computeMs: 500 },
  wallMs: 700,
  stages: [
    { name: 'fetch', effectiveStrategy: 'ASYNC', lanes: 1, concurrency: 10, timings: null },
    { name: 'sumOfSquares', effectiveStrategy: 'THREADS', lanes: 2, concurrency: 2, timings: null },
  ],
  timeline: [
    { lane: 'thread-1', busyFraction: 1, spans: [{ startMs: 0, endMs: 700, status: 'SUCCEEDED', tasks: 60 }] },
  ],
  check: right,
}

const pitfall: Pitfall = {
  title: '1. A pitfall',
  findings: ['It was slow.'],
  diagnostics: [{ code: 'TOO_MANY_WORKERS', severity: 'WARNING', message: 'there are too many' }],
  check: right,
}

/** Recorded: eight equal computations on two cores. */
const computing: Outcome = {
  title: 'More number crunching',
  about: 'Eight times the same.',
  work: 'COMPUTING',
  isPictured: false,
  check: right,
  rows: toRows([
    measured('SEQUENTIAL', {
      lanes: 1,
      concurrency: 1,
      wallMs: 2000,
      serviceTotalMs: 1998,
      meanConcurrency: 1,
      cpuMs: 1990,
    }),
    measured('ASYNC', {
      lanes: 1,
      concurrency: 8,
      wallMs: 2010,
      serviceTotalMs: 9000,
      meanConcurrency: 4.5,
      cpuMs: 2000,
    }),
    measured('THREADS', {
      lanes: 2,
      concurrency: 2,
      wallMs: 1020,
      serviceTotalMs: 2030,
      meanConcurrency: 1.99,
      cpuMs: 2020,
    }),
    measured('PROCESSES', {
      lanes: 2,
      concurrency: 2,
      wallMs: 1100,
      serviceTotalMs: 2080,
      meanConcurrency: 1.89,
      cpuMs: 2050,
    }),
  ]),
}

describe('toRows', () => {
  it('takes speedup and efficiency from the measured sequential run', () => {
    const [sequential, asynchronous] = waiting.rows
    expect(sequential).toMatchObject({ speedup: 1, efficiency: 1 })
    expect(asynchronous?.speedup).toBeCloseTo(6019 / 2008, 10)
    expect(asynchronous?.efficiency).toBeCloseTo(6019 / 2008 / 3, 10)
  })

  it('claims neither without a baseline', () => {
    const rows = toRows(computing.rows.filter(({ strategy }) => strategy !== 'SEQUENTIAL'))
    expect(rows.map(({ speedup, efficiency }) => [speedup, efficiency])).toEqual([
      [null, null],
      [null, null],
      [null, null],
    ])
  })

  it('knows the fastest', () => {
    expect(fastest(computing.rows)?.strategy).toBe('THREADS')
    expect(fastest([])).toBeUndefined()
  })
})

describe('tableOf', () => {
  it('prints a row for each run, with its figures', () => {
    const [first, second, ...rows] = tableOf(computing.rows, plain).split('\n')
    expect(first?.trim().split(/ {2,}/)).toEqual(['in', 'mean'])
    expect(second?.trim().split(/ {2,}/)).toEqual([
      'strategy',
      'lanes',
      'flight',
      'wall',
      'service',
      'conc.',
      'speedup',
      'efficiency',
      'CPU',
    ])
    expect(rows.map((row) => row.trim().split(/ {2,}/))).toEqual([
      ['SEQUENTIAL', '1', '1', '2.00 s', '2.00 s', '1.00', '1.00x', '100 %', '1.99 s'],
      ['ASYNC', '1', '8', '2.01 s', '9.00 s', '4.50', '1.00x', '12 %', '2.00 s'],
      ['THREADS', '2', '2', '1.02 s', '2.03 s', '1.99', '1.96x', '98 %', '2.02 s'],
      ['PROCESSES', '2', '2', '1.10 s', '2.08 s', '1.89', '1.82x', '91 %', '2.05 s'],
    ])
  })

  it('fits a terminal of 80 columns', () => {
    const lines = tableOf([...computing.rows, ...waiting.rows], plain).split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

describe('lessonOf', () => {
  it('says of waiting that an event loop is enough', () => {
    const lesson = lessonOf(waiting, machine)
    expect(lesson).toContain('One at a time it took 6.02 s, and a core was busy for 1 % of it: the rest was waiting.')
    expect(lesson).toContain('With 3 in flight on one event loop it was 3.00x as fast: waits overlap')
  })

  it('says of computing that an event loop is no help and lanes are', () => {
    const lesson = lessonOf(computing, machine)
    expect(lesson).toContain('One at a time it took 2.00 s, and a core was busy for 100 % of it.')
    expect(lesson).toContain('With 8 in flight on one event loop it was 1.00x as fast, no gain:')
    expect(lesson).toContain(
      'Lanes of their own used the 2 cores (THREADS 1.96x, PROCESSES 1.82x): THREADS was 1.97x as fast as ASYNC.',
    )
  })

  it('says of which lanes the gain was', () => {
    const rows = computing.rows.map((row) => (row.strategy === 'PROCESSES' ? { ...row, wallMs: 2000 } : row))
    const lesson = lessonOf({ ...computing, rows: toRows(rows) }, machine)
    expect(lesson).toContain('Lanes of their own used the 2 cores (THREADS 1.96x): THREADS was')
    expect(lesson).toContain('This time PROCESSES 1.00x gained nothing.')
  })

  it('says the opposite where the figures do', () => {
    const slow = { ...computing, rows: toRows(computing.rows.map((row) => ({ ...row, wallMs: 2000 }))) }
    expect(lessonOf(slow, { cores: 1 })).toContain('Lanes of their own gained nothing over the event loop here')
    expect(lessonOf(slow, { cores: 1 })).toContain('1 core)')
    const stuck = { ...waiting, rows: toRows(waiting.rows.map((row) => ({ ...row, wallMs: 6000 }))) }
    expect(lessonOf(stuck, machine)).toMatch(/1\.00x as fast: no gain\.$/)
  })

  it('says when something else kept the machine busy', () => {
    const disturbed = { ...computing, rows: computing.rows.map((row) => ({ ...row, cpuMs: row.cpuMs / 2 })) }
    expect(lessonOf(disturbed, machine)).toContain(
      'had a core for only 50 % of it: something else keeps this machine busy',
    )
  })

  it('says when lanes had to share a core', () => {
    const rows = computing.rows.map((row) => (row.strategy === 'THREADS' ? { ...row, serviceTotalMs: 4040 } : row))
    expect(lessonOf({ ...computing, rows }, machine)).toContain('But the lanes of THREADS had a core for only 50 %')
    expect(lessonOf(computing, machine)).not.toContain('But the lanes')
  })

  it('compares nothing where a run is missing', () => {
    expect(lessonOf({ ...waiting, rows: waiting.rows.slice(1) }, machine)).toContain('nothing to compare')
  })
})

describe('the report as text', () => {
  it('has the table, the verdict on the outputs and the lesson', () => {
    const text = outcomeText(waiting, { machine, paint: plain })
    expect(text).toContain('SEQUENTIAL')
    expect(text).toContain('right: as expected')
    expect(text).toContain('waits overlap')
    const wrong = { ...waiting, check: { ok: false, message: 'item 1 gave 3' } }
    expect(outcomeText(wrong, { machine, paint: plain })).toContain('WRONG: item 1 gave 3')
  })

  it('names the fastest of each example', () => {
    expect(summaryOf([waiting, computing])).toEqual([
      'Three downloads: ASYNC in 2.01 s, 3.00x as fast as SEQUENTIAL',
      'More number crunching: THREADS in 1.02 s, 1.96x as fast as SEQUENTIAL',
    ])
    const [sequential] = waiting.rows
    expect(summaryOf([{ ...waiting, rows: sequential ? [sequential] : [] }])).toEqual([
      'Three downloads: SEQUENTIAL in 6.02 s',
    ])
    expect(
      closingText({ outcomes: [waiting, { ...waiting, rows: [] }] }, { machine, paint: plain }).split('\n'),
    ).toHaveLength(2)
  })

  it('has colours only where they are wanted', () => {
    const escapeCode = String.fromCharCode(27)
    expect(outcomeText(waiting, { machine, paint: plain })).not.toContain(escapeCode)
    expect(outcomeText(waiting, { machine, paint: createPaint(true) })).toContain(escapeCode)
  })

  it('wraps at words', () => {
    expect(wrapped('one two three four', 9)).toBe('one two\nthree\nfour')
    expect(wrapped('incomprehensibilities yes', 9)).toBe('incomprehensibilities\nyes')
    expect(wrapped('')).toBe('')
  })
})

describe('the pictures of a report', () => {
  it('draws every strategy to one scale, where the example is to be seen', () => {
    const text = outcomeText(waiting, { machine, paint: plain })
    const [sequential, asynchronous] = text.split('\n').filter((line) => line.startsWith('thread-1'))
    const busy = (line = '') => [...line].filter((cell) => cell === '█').length
    expect(busy(sequential)).toBe(60)
    expect(busy(asynchronous)).toBe(20)
    expect(outcomeText(computing, { machine, paint: plain })).not.toContain('thread-1')
  })
})

describe('the report of the pipeline', () => {
  it('has both ways, how each stage was executed, and the picture', () => {
    const text = pipelineText(pipeline, { machine, paint: plain })
    expect(text).toContain('0.60 s + 0.50 s = 1.10 s')
    expect(text).toContain('as a pipeline        0.70 s')
    expect(text).toContain('fetch under ASYNC, 1 lane; sumOfSquares under THREADS, 2 lanes.')
    expect(text.replaceAll('\n', ' ')).toContain('it took 0.64x of the time')
    expect(text).toContain('thread-1')
  })

  it('claims no gain where there was none', () => {
    expect(pipelineText({ ...pipeline, wallMs: 1_200 }, { machine, paint: plain })).toContain('gained nothing')
  })
})

describe('the report of the pitfalls', () => {
  it('has what was found, what the server says, and whether it is so', () => {
    const text = pitfallsText([pitfall], { machine, paint: plain })
    expect(text.split('\n')).toEqual([
      '1. A pitfall',
      'It was slow.',
      'TOO_MANY_WORKERS: there are too many',
      'right: as expected',
    ])
  })
})

describe('the report as JSON', () => {
  it('holds every figure, unrounded', () => {
    const report = JSON.parse(reportJson({ outcomes: [waiting, computing], pipeline, pitfalls: [pitfall] }, machine))
    expect(report.ok).toBe(true)
    expect(report.machine).toEqual(machine)
    expect(report.examples[1].rows).toEqual(computing.rows)
    expect(report.examples[0].lesson).toBe(lessonOf(waiting, machine))
    expect([report.pipeline, report.pitfalls]).toEqual([pipeline, [pitfall]])
  })

  it('is not ok where one check is not', () => {
    const check = { ok: false, message: 'wrong' }
    const all = { outcomes: [computing], pipeline, pitfalls: [pitfall] }
    for (const wrong of [
      { ...all, outcomes: [computing, { ...waiting, check }] },
      { ...all, pipeline: { ...pipeline, check } },
      { ...all, pitfalls: [pitfall, { ...pitfall, check }] },
    ]) {
      expect(isRight(wrong)).toBe(false)
      expect(JSON.parse(reportJson(wrong, machine)).ok).toBe(false)
    }
    expect(isRight(all)).toBe(true)
  })
})

describe('units', () => {
  it('reads well at every size', () => {
    expect([0, 3.1234, 94.4, 100, 6019].map(seconds)).toEqual(['0.0 ms', '3.1 ms', '94 ms', '0.10 s', '6.02 s'])
    expect(times(1.998)).toBe('2.00x')
    expect(percent(0.984)).toBe('98 %')
    expect(grouped(1234567)).toBe('1,234,567')
  })
})
