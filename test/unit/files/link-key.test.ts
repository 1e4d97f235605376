import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { linkKey, passingLinkKey } from '../../../src/files/link-key.js'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-key-'))
  path = join(folder, 'heddle.links')
})
afterEach(() => rmSync(folder, { recursive: true }))

it('is made once, for its owner alone', () => {
  const key = linkKey(path)
  expect(key).toHaveLength(32)
  expect(new Set(key).size).toBeGreaterThan(8)
  expect([...linkKey(path)]).toEqual([...key])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['heddle.links'])
})

it('is made anew where a crash has left half of one', () => {
  writeFileSync(path, 'half')
  writeFileSync(`${path}.part`, 'quarter', { mode: 0o644 })
  expect(linkKey(path)).toHaveLength(32)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

it('says what is wrong where it cannot be kept', () => {
  expect(() => linkKey(folder)).toThrow('EISDIR')
  expect(() => linkKey(join(folder, 'nowhere', 'key'))).toThrow('ENOENT')
})

it('is another one for each process that keeps none', () => {
  expect([...passingLinkKey()]).not.toEqual([...passingLinkKey()])
})
