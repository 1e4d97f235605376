import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { bars, lines, silent } from '../../../src/demo/display.js'
import type { Measurement } from '../../../src/demo/figures.js'

const measurement: Measurement = {
  strategy: 'ASYNC',
  lanes: 1,
  concurrency: 3,
  wallMs: 2_010,
  serviceTotalMs: 6_000,
  meanConcurrency: 2.98,
  cpuMs: 12,
  diagnostics: [],
  timeline: [],
}

const at = (done: number, running: number) => ({
  status: 'RUNNING',
  progress: { total: 3, done, running, throughput: 0 },
})

/** Gathers what is written; with what a terminal has besides, as far as the bars ask for it. */
function sink() {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  const terminal = Object.assign(stream, {
    isTTY: true,
    columns: 80,
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  })
  return { out: terminal as unknown as NodeJS.WriteStream, text: () => text }
}

describe('lines', () => {
  it('tells of a run when it has ended, and says nothing of one that did not', () => {
    const { out, text } = sink()
    const display = lines(out)
    display.print('Three downloads')
    const run = display.run('ASYNC')
    run.update(at(1, 2))
    expect(text()).toBe('Three downloads\n')
    run.end(measurement)
    display.run('THREADS').end(null)
    expect(text()).toBe('Three downloads\n  ASYNC      done in 2.01 s\n')
  })
})

describe('bars', () => {
  it('fills as tasks end, and shows what the run took', () => {
    const { out, text } = sink()
    const run = bars(out).run('ASYNC')
    run.update(at(0, 3))
    expect(text()).toContain('0/3')
    run.end(measurement)
    expect(text()).toContain('3/3  2.01 s')
  })

  it('gives the cursor back where the run did not come to its end', () => {
    const { out, text } = sink()
    const run = bars(out).run('ASYNC')
    run.update(at(1, 2))
    run.end(null)
    const escapeCode = String.fromCharCode(27)
    expect(text()).toContain(`${escapeCode}[?25h`)
    expect(text()).not.toContain('3/3')
  })

  it('draws nothing of a run that never told its state', () => {
    const { out, text } = sink()
    bars(out).run('ASYNC').end(null)
    expect(text()).toBe('')
  })
})

describe('silent', () => {
  it('takes everything and shows nothing', () => {
    silent.print('text')
    const run = silent.run('ASYNC')
    run.update(at(1, 2))
    expect(run.end(measurement)).toBeUndefined()
  })
})
