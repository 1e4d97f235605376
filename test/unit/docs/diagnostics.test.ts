import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Severity } from '../../../src/domain/diagnostic.js'
import { DIAGNOSTIC_RULES, diagnose, EARLY_THRESHOLDS } from '../../../src/domain/diagnostics.js'
import { rowsUnder } from '../../support/markdown.js'
import { measuredRuns } from '../../support/stage-figures.js'

const page = readFileSync(new URL('../../../docs/diagnostics.md', import.meta.url), 'utf8')
const RULES = DIAGNOSTIC_RULES.map((rule) => [rule.code, rule] as const)

const asCells = (thresholds: Readonly<Record<string, number>>) =>
  Object.entries(thresholds).map(([name, value]) => [`\`${name}\``, String(value)])

function expectSomethingInEveryCell(rows: string[][]): void {
  for (const row of rows) for (const cell of row) expect(cell, row.join(' | ')).not.toBe('')
}

describe('docs/diagnostics.md', () => {
  it('has a section for each code, in the order of the rules, and no other', () => {
    const headings = Array.from(page.matchAll(/^## ([A-Z_]+)$/gm), ([, heading]) => heading)
    expect(headings).toEqual(RULES.map(([code]) => code))
  })

  it.each(RULES)('says what helps against %s', (code) => {
    const section = page.split(/^## /m).find((text) => text.startsWith(`${code}\n`))
    expect(section).toMatch(/\n\*\*What helps:\*\* \S/)
  })

  it.each(RULES)('has the thresholds of %s, each with its reason', (code, { thresholds }) => {
    const rows = rowsUnder(page, `Thresholds of ${code}`)
    expect(rows.map(([name, value]) => [name, value])).toEqual(asCells(thresholds))
    expectSomethingInEveryCell(rows)
  })

  it('has those of runs under way', () => {
    const rows = rowsUnder(page, 'Early')
    expect(rows.map(([name, value]) => [name, value])).toEqual(asCells(EARLY_THRESHOLDS))
    expectSomethingInEveryCell(rows)
  })

  it.each(RULES)('says what the figures of %s mean, in their order', (code) => {
    const rows = rowsUnder(page, `Evidence of ${code}`)
    const found = measuredRuns().flatMap(({ figures }) => diagnose(figures).filter((one) => one.code === code))
    expect(found.length).toBeGreaterThan(0)
    for (const { evidence } of found)
      expect(Object.keys(evidence).map((name) => `\`${name}\``)).toEqual(rows.map(([name]) => name))
    expectSomethingInEveryCell(rows)
  })

  it('says what each severity means', () => {
    expect(
      rowsUnder(page, 'Diagnostics')
        .map(([name]) => name)
        .sort(),
    ).toEqual(Object.values(Severity).map((severity) => `\`${severity}\``))
  })

  it('begins with an example that has the figures of its code', () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? 'null') as { code: string; evidence: object }
    const documented = rowsUnder(page, `Evidence of ${example.code}`).map(([name]) => name)
    expect(Object.keys(example.evidence).map((name) => `\`${name}\``)).toEqual(documented)
  })
})
