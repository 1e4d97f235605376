import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SETTINGS } from '../../../src/config.js'
import { rowsUnder } from '../../support/markdown.js'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

describe('README.md', () => {
  it('lists every setting with its default', () => {
    const listed = rowsUnder(read('README.md'), 'Settings').map(([name, fallback]) => [name, fallback])
    expect(listed).toEqual(SETTINGS.map(({ name, fallback }) => [`\`${name}\``, fallback]))
  })

  it('says something of each', () => {
    for (const [name, , meaning] of rowsUnder(read('README.md'), 'Settings')) expect(meaning, name).not.toBe('')
  })
})

describe('the pages', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

  it.each(['README.md', 'CONTRIBUTING.md'])('of %s name only scripts that are there', (page) => {
    const named = Array.from(read(page).matchAll(/npm run ([a-z:-]+)/g), ([, name = '']) => name)
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  it.each([
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'docs/access.md',
    'docs/architecture.md',
    'docs/comparing-runs.md',
    'docs/comparison.md',
    'docs/diagnostics.md',
    'docs/durability.md',
    'docs/errors.md',
    'docs/fairness.md',
    'docs/files.md',
    'docs/functions.md',
    'docs/pipelines.md',
    'docs/pitfalls.md',
    'docs/planning.md',
    'docs/politeness.md',
    'docs/subscriptions.md',
    'docs/threads-and-processes.md',
    'docs/timeline.md',
    'docs/decisions/README.md',
  ])('of %s link only to files that are there', (page) => {
    const links = Array.from(read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, link = '']) => link)
    const folder = new URL(page, 'file:///')
    for (const link of links) expect(read(new URL(link, folder).pathname.slice(1)), `${page}: ${link}`).not.toBe('')
  })
})
