import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sweepUploads, Uploads } from '../../../src/files/uploads.js'
import { filesFolder, tableOf } from '../../support/files.js'

let files: ReturnType<typeof filesFolder>
beforeEach(() => {
  files = filesFolder()
})
afterEach(() => files.remove())

const uploads = () => new Uploads({ folder: join(files.folder, 'uploads'), maxBytes: 1_000_000, maxItems: 1_000 })
const stored = () => (existsSync(join(files.folder, 'uploads')) ? readdirSync(join(files.folder, 'uploads')) : [])

async function* pieces(...content: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of content) yield Buffer.from(piece)
}

describe('Uploads.receive', () => {
  it('has the bytes on disk, their hash, and where the lines are', async () => {
    const parts = Array.from({ length: 700 }, (_, at) => `${'x'.repeat(at)}\n`)
    const whole = parts.join('')
    const { name, content } = await uploads().receive(pieces(...parts), 'a.jsonl')
    expect(name).toBe('a.jsonl')
    const [file = ''] = stored()
    expect(readFileSync(join(files.folder, 'uploads', file), 'utf8')).toBe(whole)
    const sha256 = createHash('sha256').update(whole).digest('hex')
    expect(content).toEqual({ kind: 'lines', file, bytes: whole.length, sha256, table: tableOf(whole) })
  })

  it.each(['../../evil', '/etc/evil', '..\\evil', 'a\0b', '.', 'x'.repeat(100_000)])(
    'calls no file as its sender does: %.20j',
    async (name) => {
      const umask = process.umask(0)
      const file = await uploads().receive(pieces('1\n'), name)
      process.umask(umask)
      expect(file.name).toBe(name)
      expect(stored()).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
      const folder = join(files.folder, 'uploads')
      const rights = [folder, join(folder, stored()[0] ?? '')].map((path) => (statSync(path).mode & 0o777).toString(8))
      expect(rights).toEqual(['700', '600'])
      await file.release()
    },
  )

  it('leaves nothing of what breaks off', async () => {
    async function* broken() {
      yield Buffer.alloc(600_000, 'x')
      expect(stored()).toHaveLength(1)
      throw new Error('the sender has gone')
    }
    await expect(uploads().receive(broken(), null)).rejects.toThrow('the sender has gone')
    expect(stored()).toEqual([])
  })

  it.each([
    ['larger than it may be', ['1\n', Buffer.alloc(1_000_000, 'x'), 'x'], 'INVALID', /larger than 1000000 bytes/],
    ['of more lines than there may be', ['1\n'.repeat(1_001), '2'], 'TOO_MANY_ITEMS', /more than 1000 lines/],
    ['of one line more, at its very end', ['1\n'.repeat(1_000), '2'], 'TOO_MANY_ITEMS', /more than 1000 lines/],
    ['without a line', ['\n', ' \r\n'], 'INVALID', /no line/],
    ['of UTF-16', [Buffer.of(0xff), Buffer.of(0xfe, 0x31, 0)], 'INVALID', /UTF-16: UTF-8 is expected/],
  ] as const)('reads a file to its end and keeps nothing of it: %s', async (_what, parts, code, reason) => {
    const seen: number[] = []
    async function* counted() {
      for (const part of parts) {
        seen.push(part.length)
        yield Buffer.from(part)
      }
    }
    const { content } = await uploads().receive(counted(), null)
    expect(content).toEqual({ kind: 'refused', code, reason: expect.stringMatching(reason) })
    expect(seen).toHaveLength(parts.length)
    expect(stored()).toEqual([])
  })
})

describe('a received file', () => {
  it('is removed when its request is over', async () => {
    const file = await uploads().receive(pieces('1'), null)
    await file.release()
    expect(stored()).toEqual([])
    await file.release()
    expect(() => file.hold()).toThrow(/over/)
  })

  it('stays while somebody holds it, and where one of them keeps it', async () => {
    const dropped = await uploads().receive(pieces('1'), null)
    const [first, second] = [dropped.hold(), dropped.hold()]
    await dropped.release()
    first(false)
    expect(stored()).toHaveLength(1)
    second(false)
    await dropped.release()
    expect(stored()).toEqual([])

    const kept = await uploads().receive(pieces('1'), null)
    const [third, fourth] = [kept.hold(), kept.hold()]
    third(true)
    fourth(false)
    await kept.release()
    expect(stored()).toHaveLength(1)
  })
})

describe('sweepUploads', () => {
  it('removes what nobody knows, and nothing of others', async () => {
    const [known, lost] = [await uploads().receive(pieces('1'), null), await uploads().receive(pieces('2'), null)]
    if (known.content.kind !== 'lines' || lost.content.kind !== 'lines') throw new Error('they are not lines')
    writeFileSync(join(files.folder, 'uploads', 'notes.txt'), '')
    await sweepUploads(join(files.folder, 'uploads'), new Set([known.content.file]))
    expect(stored().sort()).toEqual([known.content.file, 'notes.txt'].sort())
    await sweepUploads(join(files.folder, 'nowhere'), new Set())
  })
})
