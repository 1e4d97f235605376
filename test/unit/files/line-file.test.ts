import { appendFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BadLine } from '../../../src/domain/line-items.js'
import { LineFile, UnreadableFile } from '../../../src/files/line-file.js'
import { filesFolder } from '../../support/files.js'

let files: ReturnType<typeof filesFolder>
beforeEach(() => {
  files = filesFolder()
})
afterEach(() => files.remove())

describe('LineFile', () => {
  it('finds every line, in whatever order it is asked', () => {
    const lines = Array.from({ length: 3_500 }, (_, at) => `line ${at} ü`)
    const file = new LineFile(files.write(lines.join('\r\n\r\n')))
    for (let step = 0, index = 0; step < lines.length; step += 1, index = (index + 1_234) % lines.length) {
      expect(file.text(index)).toBe(lines[index])
      expect(file.bytesOf(index)).toBe(Buffer.byteLength(lines[index] ?? ''))
    }
  })

  it('has what it sought at hand, whatever becomes of the file', () => {
    const spec = files.write(Array.from({ length: 2_000 }, (_, at) => at).join('\n'))
    const file = new LineFile(spec)
    file.seek(1_500)
    rmSync(spec.path)
    expect(file.text(1_000)).toBe('1000')
    expect(() => file.seek(999)).toThrow(UnreadableFile)
    expect(() => file.seek(999)).toThrow(/^the uploaded file cannot be read: ENOENT: no such file or directory$/)
  })

  it('tells a file that is not what it was', () => {
    const spec = files.write(Array.from({ length: 2_000 }, (_, at) => at).join('\n'))
    truncateSync(spec.path, 5_000)
    const file = new LineFile(spec)
    expect(file.text(0)).toBe('0')
    expect(() => file.text(1_999)).toThrow(/shorter than it was/)
    writeFileSync(spec.path, ' '.repeat(10_000))
    expect(() => file.text(1_999)).toThrow(/not what it was/)
    appendFileSync(spec.path, 'more')
  })

  it('fails a line that is not UTF-8, and none beside it', () => {
    const content = Buffer.concat([Buffer.from('good\n'), Buffer.of(0x61, 0xff, 0x0a), Buffer.from('ü\n')])
    const file = new LineFile(files.write(content))
    expect([file.text(0), file.text(2)]).toEqual(['good', 'ü'])
    expect(() => file.text(1)).toThrow(BadLine)
    expect(() => file.text(1)).toThrow('the line is not UTF-8: "a\ufffd"')
  })

  it('does not take a line of more than 5 MB into memory', () => {
    const largest = 'x'.repeat(5 * 1024 * 1024)
    const file = new LineFile(files.write(`1\n${largest}\n${largest}y\r\n2`))
    expect(file.text(1)).toBe(largest)
    expect(() => file.text(2)).toThrow(/^the line has 524288[12] bytes, more than 5242880$/)
    expect(file.text(3)).toBe('2')
  })
})
