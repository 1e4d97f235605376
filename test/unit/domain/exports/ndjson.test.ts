import { describe, expect, it } from 'vitest'
import { NdjsonText } from '../../../../src/domain/exports/ndjson.js'
import { exportedRun, exportedTask, FETCHED, FETCHING } from '../../../support/exported.js'

const linesOf = (text: string) => text.split('\n').slice(0, -1)

describe('NDJSON', () => {
  it('tells everything about a task, in the shape of Task', () => {
    const error = { code: 'HTTP_STATUS', message: 'answered with status 503', retryable: true } as const
    const history = [
      { number: 1, startedMs: 1, serviceMs: 2, lane: 'thread-1', error },
      { number: 2, startedMs: 10.5, serviceMs: 3, lane: 'thread-2', error: null },
    ]
    const task = exportedTask(
      { index: 4, attempts: 2, history, startedMs: 1, serviceMs: 5, output: '{"a":[1,"\\n"]}', fetch: FETCHED },
      { url: 'https://example.com/' },
    )
    const [line = '', ...rest] = linesOf(new NdjsonText(exportedRun(FETCHING)).tasks([task]))
    expect(rest).toEqual([])
    const { host: _, ...detail } = FETCHED
    expect(JSON.parse(line)).toEqual({
      id: 'task_0123456789abcdef0123456789abcdef_0_4',
      run: { id: 'run_0123456789abcdef0123456789abcdef' },
      stage: 0,
      index: 4,
      status: 'SUCCEEDED',
      input: { url: 'https://example.com/' },
      output: { a: [1, '\n'] },
      error: null,
      attempts: 2,
      history,
      lane: 'thread-1',
      startedMs: 1,
      startedAt: '2023-11-14T22:13:20.001Z',
      queueWaitMs: 2,
      serviceMs: 5,
      cpuMs: null,
      fetch: { ...detail, url: 'https://***@example.com/a?x=1&y=%20z' },
      bodyUrl: null,
    })
  })

  it('has the one attempt of a task that took no more, and none of what was never sent', () => {
    const text = new NdjsonText(exportedRun()).tasks([
      exportedTask(),
      exportedTask({ attempts: 0, startedMs: null, lane: null, serviceMs: null }),
    ])
    expect(linesOf(text).map((line) => JSON.parse(line).history)).toEqual([
      [{ number: 1, startedMs: 10.5, serviceMs: 20, lane: 'thread-1', error: null }],
      [],
    ])
  })

  it('has numbers that doubles do not hold as decimal strings', () => {
    const text = new NdjsonText(exportedRun()).tasks([
      exportedTask({ output: '[333283333335000000,"12345678901234567",1.5]' }),
    ])
    expect(JSON.parse(text).output).toEqual(['333283333335000000', '12345678901234567', 1.5])
  })

  it('is nothing where there is no task', () => {
    const text = new NdjsonText(exportedRun())
    expect(text.head() + text.tasks([]) + text.end()).toBe('')
  })
})
