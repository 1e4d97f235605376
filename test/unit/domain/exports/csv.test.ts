import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CSV_COLUMNS, CsvText } from '../../../../src/domain/exports/csv.js'
import type { ExportedTask } from '../../../../src/domain/exports/export.js'
import { exportedRun, exportedTask, FETCHED, FETCHING } from '../../../support/exported.js'

function written(tasks: ExportedTask[], run = exportedRun()): string {
  const text = new CsvText(run)
  return text.head() + text.tasks(tasks) + text.end()
}

/** As a program reads it that takes any end of a line for one, outside of quotes. */
function read(text: string): Record<string, string>[] {
  return parse(text, { columns: true, record_delimiter: ['\r\n', '\n', '\r'], relax_column_count: false })
}

const cellsOf = (task: ExportedTask) => read(written([task]))[0]!

describe('CSV', () => {
  it('has a header line and a line a task, each ended by CRLF', () => {
    const lines = written([exportedTask({ index: 0 }), exportedTask({ index: 1 })]).split('\r\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toBe(CSV_COLUMNS.join())
    expect(lines[3]).toBe('')
  })

  it('has the header line alone where there is no task', () => {
    expect(written([])).toBe(`${CSV_COLUMNS.join()}\r\n`)
  })

  it('tells of a fetch what is known of it, without its secrets', () => {
    const error = { code: 'HTTP_STATUS', message: 'answered with "status" 500,\nnot well', retryable: true } as const
    const task = exportedTask(
      { index: 7, status: 'FAILED', error, fetch: FETCHED, cpuMs: 0.25 },
      'https://***@example.com/a',
    )
    expect(read(written([task], exportedRun(FETCHING)))).toEqual([
      {
        run: 'run_0123456789abcdef0123456789abcdef',
        stage: 'fetch',
        index: '7',
        status: 'FAILED',
        input: 'https://***@example.com/a',
        output: '',
        errorCode: 'HTTP_STATUS',
        errorMessage: 'answered with "status" 500,\nnot well',
        attempts: '1',
        lane: 'thread-1',
        startedMs: '10.5',
        queueWaitMs: '2',
        serviceMs: '20',
        cpuMs: '0.25',
        url: 'https://***@example.com/a?x=1&y=%20z',
        finalUrl: 'https://example.com/b',
        host: 'example.com',
        httpStatus: '200',
        bytes: '1234',
        sha256: 'ab'.repeat(32),
        contentType: 'text/html; charset=utf-8',
        redirects: '1',
        dnsMs: '1',
        connectMs: '2',
        tlsMs: '3',
        firstByteMs: '4',
        downloadMs: '5',
        reusedConnection: 'false',
        startedAt: '2023-11-14T22:13:20.010Z',
      },
    ])
  })

  it('leaves empty what there is not', () => {
    const never = { lane: null, startedMs: null, queueWaitMs: null, serviceMs: null, attempts: 0 }
    expect(cellsOf(exportedTask(never))).toMatchObject({
      startedMs: '',
      startedAt: '',
      lane: '',
      url: '',
      attempts: '0',
    })
  })

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '=cmd|"/c calc"!A1', '＝1+1', '＋1', '－1', '＠A1'])(
    'takes the formula out of %j',
    (text) => {
      const message = { code: 'FUNCTION_ERROR', message: text, retryable: false } as const
      const cells = cellsOf(exportedTask({ output: JSON.stringify(text), error: message }, text))
      expect([cells.input, cells.output, cells.errorMessage]).toEqual([`'${text}`, `'${text}`, `'${text}`])
    },
  )

  it.each([
    ['-1.5', '-1.5'],
    ['-0.1234567890123456789', '-0.1234567890123456789'],
    ['-1e400', '-1e400'],
    ['-0', '-0'],
    ['-123456789012345678901234567890', '-123456789012345678901234567890'],
    ['333283333335000000', '333283333335000000'],
    ['true', 'true'],
    ['null', ''],
    ['[1,"=2"]', '[1,"=2"]'],
    ['{"a":"b"}', '{"a":"b"}'],
    ['"a,b\\n\\"c\\""', 'a,b\n"c"'],
    ['"a\\nb"', 'a\nb'],
    ['"a\\rb"', 'a\rb'],
  ])('has the output %s as %j', (output, cell) => {
    expect(cellsOf(exportedTask({ output })).output).toBe(cell)
  })

  it('keeps the minus of a number', () => {
    expect(cellsOf(exportedTask({ startedMs: -0.25 }, -5))).toMatchObject({ startedMs: '-0.25', input: '-5' })
  })

  it('is read back as it was, whatever is in it', () => {
    const texts = fc.string({ unit: fc.constantFrom(...'ab ,;"\'\r\n\t=+-@éß漢😀') })
    fc.assert(
      fc.property(fc.array(fc.tuple(texts, texts), { minLength: 1, maxLength: 5 }), (pairs) => {
        const rows = read(
          written(
            pairs.map(([input, output], index) => exportedTask({ index, output: JSON.stringify(output) }, input)),
          ),
        )
        const defused = (text: string) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text)
        expect(rows.map(({ input, output }) => [input, output])).toEqual(pairs.map((pair) => pair.map(defused)))
      }),
    )
  })
})
