import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import type { TaskFailure } from '../../../src/domain/errors.js'
import { BodyFile } from '../../../src/fetching/body-file.js'
import { until } from '../../support/until.js'

const HASH = 'cd'.repeat(32)

type Write = (
  fd: number,
  pieces: readonly Buffer[],
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-body-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

function open(stem = join(folder, 'run.0')) {
  const told = { drains: 0, failures: [] as TaskFailure[] }
  const file = new BodyFile(stem, {
    onFileDrain: () => {
      told.drains += 1
    },
    onFileFailure: (failure) => told.failures.push(failure),
  })
  const finish = (sha256 = HASH) => new Promise<void>((resolve) => file.finish(sha256, resolve))
  return { file, told, finish }
}

/** Writes as a polite sender does: waits where it is told to. */
async function send({ file, told }: ReturnType<typeof open>, pieces: readonly Buffer[]): Promise<number> {
  let waits = 0
  for (const piece of pieces) {
    const { drains } = told
    if (file.write(piece)) continue
    waits += 1
    await until(() => told.drains > drains)
  }
  return waits
}

describe('BodyFile', () => {
  it.each([
    [0, 1],
    [1, 1],
    [65_535, 1],
    [65_536, 3],
    [3_000_000, 1],
    [3_000_000, 40],
    [3_000_000, 5_000],
  ])('has %i bytes in %i pieces when it says so, under the name that says so', async (size, count) => {
    const whole = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz')
    const each = Math.ceil(size / count)
    const pieces = Array.from({ length: count }, (_, i) => whole.subarray(i * each, (i + 1) * each))
    const one = open()
    await send(one, pieces)
    await one.finish()
    expect(readdirSync(folder)).toEqual([`run.0.${HASH}`])
    expect(readFileSync(join(folder, `run.0.${HASH}`)).equals(whole)).toBe(true)
    expect(one.told.failures).toEqual([])
  })

  it('makes the sender wait where the disk is behind, and holds little', async () => {
    const one = open()
    const piece = Buffer.alloc(50_000)
    let taken = 0
    // In one turn of the event loop the disk gets nothing done.
    while (one.file.write(piece)) taken += 1
    expect(taken).toBeLessThan(10)
    await until(() => one.told.drains > 0)
    expect(await send(one, new Array<Buffer>(200).fill(piece))).toBeGreaterThan(5)
    await one.finish()
    expect(readFileSync(join(folder, `run.0.${HASH}`)).length).toBe((taken + 1 + 200) * 50_000)
  })

  it('is gone wherever it is dropped', async () => {
    const piece = Buffer.alloc(70_000)
    for (let turns = 0; turns < 12; turns += 1) {
      const one = open()
      one.file.write(piece)
      let done = false
      if (turns % 2 === 0) void one.finish().then(() => (done = true))
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      const wasWhole = done
      if (!wasWhole) one.file.drop()
      await until(() => readdirSync(folder).length === (wasWhole ? 1 : 0))
      if (wasWhole) rmSync(join(folder, `run.0.${HASH}`))
      else expect(one.told).toEqual({ drains: 0, failures: [] })
      expect(done).toBe(wasWhole)
    }
  })

  it('does not meet the file of another attempt at the same task', async () => {
    const first = open()
    const second = open()
    first.file.write(Buffer.from('first'))
    second.file.write(Buffer.from('second'))
    await Promise.all([first.finish('ab'.repeat(32)), second.finish()])
    expect(readFileSync(join(folder, `run.0.${HASH}`), 'utf8')).toBe('second')
    expect(readFileSync(join(folder, `run.0.${'ab'.repeat(32)}`), 'utf8')).toBe('first')
  })

  it('says why it cannot be written, without the path', async () => {
    const one = open(join(folder, 'missing', 'run.0'))
    one.file.write(Buffer.alloc(70_000))
    await until(() => one.told.failures.length > 0)
    expect(one.told.failures).toHaveLength(1)
    expect(one.told.failures[0]).toMatchObject({
      code: 'BODY_NOT_STORED',
      retryable: false,
      message: 'the body could not be stored: its folder is not there (ENOENT)',
    })
    // Nobody hears of it any more.
    expect(one.file.write(Buffer.alloc(70_000))).toBe(true)
    one.file.drop()
  })

  it('fails where there is no folder but a file', async () => {
    writeFileSync(join(folder, 'file'), '')
    const one = open(join(folder, 'file', 'run.0'))
    one.file.write(Buffer.from('small'))
    one.file.finish(HASH, () => expect.unreachable())
    await until(() => one.told.failures.length > 0)
    expect(one.told.failures[0]?.message).toContain('ENOTDIR')
  })

  it('writes what a disk has left over, and is gone where it then is full', async () => {
    const real = fs.writev
    const full: Write = (_fd, _pieces, done) => done(Object.assign(new Error('no space'), { code: 'ENOSPC' }), 0)
    const little: Write = (fd, [piece], done) => real(fd, [piece!.subarray(0, 1000)], done)
    const write: MockInstance<Write> = vi.spyOn(fs as { writev: Write }, 'writev')
    write.mockImplementationOnce(little).mockImplementationOnce(little)
    const whole = Buffer.alloc(200_000, 'abcdefg')
    const one = open()
    await send(one, [whole.subarray(0, 90_000), whole.subarray(90_000)])
    await one.finish()
    expect(readFileSync(join(folder, `run.0.${HASH}`)).equals(whole)).toBe(true)
    rmSync(join(folder, `run.0.${HASH}`))

    write.mockImplementationOnce(little).mockImplementationOnce(full)
    const other = open()
    other.file.write(whole)
    await until(() => other.told.failures.length > 0 && readdirSync(folder).length === 0)
    expect(other.told.failures).toMatchObject([
      { code: 'BODY_NOT_STORED', message: 'the body could not be stored: the disk is full (ENOSPC)' },
    ])
  })

  it('fails where its folder is taken away', async () => {
    const one = open()
    one.file.write(Buffer.alloc(70_000))
    await until(() => readdirSync(folder).length === 1)
    rmSync(folder, { recursive: true })
    one.file.finish(HASH, () => expect.unreachable())
    await until(() => one.told.failures.length > 0)
    expect(one.told.failures[0]?.code).toBe('BODY_NOT_STORED')
    folder = mkdtempSync(join(tmpdir(), 'heddle-body-'))
  })
})
