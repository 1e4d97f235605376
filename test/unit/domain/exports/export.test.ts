import { describe, expect, it } from 'vitest'
import {
  ExportFormat,
  exportPath,
  fileNameOf,
  formatOfEnding,
  instantOf,
  plainName,
  titleOf,
} from '../../../../src/domain/exports/export.js'
import { exportedRun, FETCHING, PIPELINE } from '../../../support/exported.js'

const named = (name: string) => fileNameOf(exportedRun({ name }), 'CSV').replace(' 2023-11-14 221319.csv', '')

describe('the name of a file', () => {
  it('is that of the run, or what it does, with the time of its launch', () => {
    expect(fileNameOf(exportedRun({ name: 'nightly crawl' }), 'TRACE')).toBe(
      'nightly crawl 2023-11-14 221319.trace.json',
    )
    expect(fileNameOf(exportedRun(FETCHING), 'HAR')).toBe('fetch 2023-11-14 221319.har')
    expect(titleOf(exportedRun(PIPELINE).spec)).toBe('fetch wordFrequencies')
  })

  it.each([
    ['../../etc/passwd', 'etc passwd'],
    ['a/b\\c:d*e?f"g<h>i|j', 'a b c d e f g h i j'],
    ['.hidden', 'hidden'],
    ['\u0000\r\n', 'run'],
    ['safe\u202egnp.exe', 'safe gnp.exe'],
    ['nächtlich 夜 😀', 'nächtlich 夜 😀'],
    ['', 'run'],
    ['\ud800', 'run'],
    ['a'.repeat(100), 'a'.repeat(80)],
    ['😀'.repeat(100), '😀'.repeat(50)],
    ['夜'.repeat(100), '夜'.repeat(66)],
    ['👍🏽'.repeat(100), '👍🏽'.repeat(25)],
  ])('makes of %j what every file system takes', (name, expected) => {
    expect(named(name)).toBe(expected)
    expect(Buffer.byteLength(fileNameOf(exportedRun({ name }), 'TRACE'))).toBeLessThan(240)
  })

  it('has a form in ASCII', () => {
    expect(plainName('nächtlich Ångström 夜 😀 2023.csv')).toBe('nachtlich Angstrom _ _ 2023.csv')
    expect(plainName('plain 1.csv')).toBe('plain 1.csv')
  })
})

it('each format has a path of its own, and is found again by its ending', () => {
  const { key } = exportedRun()
  for (const format of Object.values(ExportFormat)) {
    const path = exportPath(key, format)
    expect(formatOfEnding(path.split('/export.')[1] ?? '')).toBe(format)
  }
  expect(exportPath(key, 'CSV')).toBe('/runs/run_0123456789abcdef0123456789abcdef/export.csv')
  for (const ending of ['', 'CSV', 'json', 'csv.exe', 'toString']) expect(formatOfEnding(ending)).toBeNull()
})

it('an instant counts from the start of the run', () => {
  expect(instantOf(exportedRun(), 1500.25)).toBe('2023-11-14T22:13:21.500Z')
  expect(instantOf(exportedRun(), null)).toBeNull()
  expect(instantOf(exportedRun({}, null), 1)).toBeNull()
})
