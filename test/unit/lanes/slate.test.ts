import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import {
  FileSlateReader,
  FileSlateWriter,
  MemorySlateReader,
  MemorySlateWriter,
  type SlateReader,
  type SlateWriter,
} from '../../../src/lanes/slate.js'

const folder = mkdtempSync(join(tmpdir(), 'heddle-slates-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0

function memorySlate(slots: number): { reader: SlateReader; writer: SlateWriter } {
  const reader = new MemorySlateReader()
  return { reader, writer: new MemorySlateWriter(reader.prepare(slots)!) }
}

function fileSlate(slots: number): { reader: SlateReader; writer: SlateWriter } {
  files += 1
  const path = join(folder, String(files))
  const reader = new FileSlateReader(path)
  reader.prepare(slots)
  return { reader, writer: new FileSlateWriter(path) }
}

describe.each([
  ['in memory', memorySlate],
  ['in a file', fileSlate],
])('a slate %s', (_, create) => {
  it('says what is marked and not wiped', () => {
    const { reader, writer } = create(4)
    expect(reader.read()).toEqual([])
    writer.mark(2, { index: 0, attempt: 1, startedAt: 1_700_000_000_000.25 })
    writer.mark(0, { index: 9_999_999, attempt: 255, startedAt: 5 })
    expect(reader.read()).toEqual([
      { index: 9_999_999, attempt: 255, startedAt: 5, progress: null },
      { index: 0, attempt: 1, startedAt: 1_700_000_000_000.25, progress: null },
    ])
    writer.mark(0, { index: 7, attempt: 2, startedAt: 6 })
    writer.wipe(2)
    expect(reader.read()).toEqual([{ index: 7, attempt: 2, startedAt: 6, progress: null }])
    writer.wipe(0)
    expect(reader.read()).toEqual([])
    reader.close()
  })

  it('says how far a task said it is, of that task alone', () => {
    const { reader, writer } = create(3)
    const progress = () => reader.read().map((task) => task.progress)
    for (const slot of [0, 1, 2]) writer.mark(slot, { index: slot, attempt: 1, startedAt: 1 })
    writer.progress(1, 0.25)
    writer.progress(2, 0)
    expect(progress()).toEqual([null, 0.25, 0])
    writer.progress(1, 1)
    writer.wipe(2)
    expect(progress()).toEqual([null, 1])
    writer.mark(1, { index: 3, attempt: 1, startedAt: 1 })
    writer.mark(2, { index: 4, attempt: 1, startedAt: 1 })
    expect(progress()).toEqual([null, null, null])
    writer.progress(2, 1 / 3)
    expect(reader.read()[2]).toEqual({ index: 4, attempt: 1, startedAt: 1, progress: 1 / 3 })
    reader.close()
  })

  it('has room for a job with more slots', () => {
    const { reader, writer: first } = create(2)
    first.mark(1, { index: 1, attempt: 1, startedAt: 1 })
    first.wipe(1)
    const memory = reader.prepare(500)
    const writer = memory ? new MemorySlateWriter(memory) : first
    writer.mark(499, { index: 3, attempt: 1, startedAt: 1 })
    expect(reader.read()).toEqual([{ index: 3, attempt: 1, startedAt: 1, progress: null }])
    expect(reader.prepare(500)).toBeNull()
    expect(reader.prepare(10)).toBeNull()
    reader.close()
  })
})

describe('a slate that is written while it is read', () => {
  it('is never read half-written', async () => {
    const memory = new MemorySlateReader()
    const shared = memory.prepare(1)
    const path = join(folder, 'busy')
    const file = new FileSlateReader(path)
    file.prepare(1)
    const writer = new Worker(
      `
      const { parentPort, workerData } = require('node:worker_threads')
      import(workerData.slate).then(({ MemorySlateWriter, FileSlateWriter }) => {
        const slates = [new MemorySlateWriter(workerData.shared), new FileSlateWriter(workerData.path)]
        parentPort.postMessage('ready')
        for (let at = 1; ; at += 1) {
          const task = { index: at, attempt: at, startedAt: at }
          for (const slate of slates) {
            slate.mark(0, task)
            slate.progress(0, at)
          }
        }
      })
      `,
      {
        eval: true,
        workerData: { shared, path, slate: new URL('../../../dist/lanes/slate.js', import.meta.url).href },
      },
    )
    await new Promise((resolve) => writer.once('message', resolve))
    for (const reader of [memory, file]) {
      let last = 0
      let changes = 0
      while (changes < 200) {
        const [task] = reader.read()
        if (!task) continue
        const { index, attempt, startedAt, progress } = task
        expect([attempt, startedAt]).toEqual([index, index])
        // Of no other task; or nothing yet.
        if (progress !== null) expect(progress).toBe(index)
        expect(task.index).toBeGreaterThanOrEqual(last)
        if (task.index > last) changes += 1
        last = task.index
      }
    }
    await writer.terminate()
    file.close()
  })
})

describe('a slate whose writer stopped in the middle of a write', () => {
  const task = (index: number) => ({ index, attempt: 1, startedAt: 1, progress: null })

  it('says nothing of that slot, in memory', () => {
    const reader = new MemorySlateReader()
    const shared = reader.prepare(64)!
    const writer = new MemorySlateWriter(shared)
    writer.mark(0, task(5))
    writer.mark(1, task(6))
    // The versions lie behind four numbers for each of the 64 slots.
    const versions = new Int32Array(shared, 64 * 4 * Float64Array.BYTES_PER_ELEMENT)
    versions[0] = versions[0]! + 1
    expect(reader.read()).toEqual([task(6)])
  })

  it('says nothing of that slot, in a file', () => {
    const path = join(folder, 'torn')
    const reader = new FileSlateReader(path)
    reader.prepare(2)
    const writer = new FileSlateWriter(path)
    writer.mark(0, task(5))
    writer.mark(1, task(6))
    const fd = openSync(path, 'r+')
    // A version, and not the same one behind the fields.
    writeSync(fd, new Float64Array([99]), 0, 8, 0)
    closeSync(fd)
    expect(reader.read()).toEqual([task(6)])
    reader.close()
  })
})

describe('a slate in a file', () => {
  it('can be unlinked once both sides have it', () => {
    const path = join(folder, 'unlinked')
    const reader = new FileSlateReader(path)
    reader.prepare(1)
    const writer = new FileSlateWriter(path)
    reader.unlink()
    expect(existsSync(path)).toBe(false)
    writer.mark(0, { index: 4, attempt: 1, startedAt: 2 })
    expect(reader.read()).toEqual([{ index: 4, attempt: 1, startedAt: 2, progress: null }])
    reader.close()
  })

  it('is not taken over from someone else', () => {
    const path = join(folder, 'taken')
    const reader = new FileSlateReader(path)
    expect(() => new FileSlateReader(path)).toThrow('EEXIST')
    reader.close()
  })
})
