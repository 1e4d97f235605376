import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DiskNoteFile } from '../../../src/store/note-file.js'

let folder: string
let path: string
let troubles: unknown[]
let file: DiskNoteFile

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-notes-'))
  path = join(folder, 'notes')
  troubles = []
  file = new DiskNoteFile(path, (error) => troubles.push(error))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Writes to it fail as on a disk that is full. */
const fillDisk = () => symlinkSync('/dev/full', `${path}.next`)

describe('the file of notes', () => {
  it('has what was added when that returns', () => {
    expect(file.read()).toBeNull()
    expect(file.replace('one\n')).toBe(true)
    expect(file.append('two\n')).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
    expect([file.read(), file.size, troubles]).toEqual(['one\ntwo\n', 8, []])
  })

  it('is replaced whole, and added to after that', () => {
    file.replace('one\n')
    file.replace('two\n')
    file.append('three\n')
    expect(new DiskNoteFile(path, () => {}).read()).toBe('two\nthree\n')
    expect(readdirSync(folder)).toEqual(['notes'])
  })

  it('is not there where it cannot be written, and tells so once, until it could be', () => {
    file.replace('one\n')
    fillDisk()
    expect(file.replace('two\n')).toBe(false)
    expect([file.append('three\n'), readdirSync(folder), troubles]).toEqual([false, [], [expect.any(Error)]])
    fillDisk()
    expect([file.replace('two\n'), troubles.length]).toEqual([false, 1])
    expect([file.replace('two\n'), file.read()]).toEqual([true, 'two\n'])
    fillDisk()
    expect([file.replace('three\n'), troubles.length]).toEqual([false, 2])
  })

  it('does without where there is a folder in its place', () => {
    const blocked = new DiskNoteFile(folder, (error) => troubles.push(error))
    writeFileSync(join(folder, 'other'), '')
    expect([blocked.read(), blocked.replace('one\n'), troubles.length]).toEqual([null, false, 1])
  })
})
