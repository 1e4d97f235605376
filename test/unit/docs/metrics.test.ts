import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Subscribers } from '../../../src/graphql/subscribers.js'
import { EngineMetrics } from '../../../src/http/engine-metrics.js'
import { Metrics } from '../../../src/http/metrics.js'
import { parseExposition } from '../../support/exposition.js'
import { testServices } from '../../support/fake-services.js'
import { rowsUnder } from '../../support/markdown.js'

const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
const rows = rowsUnder(page, 'What Heddle counts')

function metrics(): Metrics {
  const { engine, vitals } = testServices()
  const options = { engine, vitals, subscribers: new Subscribers(), databaseFile: '/none/heddle.db' }
  return new Metrics({ ...options, engineMetrics: new EngineMetrics() })
}

describe('docs/metrics.md', () => {
  it('names every metric that is served with its type and its labels, and no other', async () => {
    const served = metrics()
    served.requestEnded('/graphql', 200)
    const families = parseExposition(await served.text())
    const own = [...families].filter(([name]) => name.startsWith('heddle_'))
    const named = (names: string[]) => names.map((name) => `\`${name}\``).join(', ')
    const found = own.map(([name, { type, samples }]) => {
      const labels = Object.keys(samples[0]?.labels ?? {}).filter((label) => label !== 'le')
      return [named([name]), type, named(labels)]
    })
    const byName = (a: string[], b: string[]) => (a[0]! < b[0]! ? -1 : 1)
    expect(rows.map((row) => row.slice(0, 3)).sort(byName)).toEqual(found.sort(byName))
  })

  it('says something of each', () => {
    for (const row of rows) expect(row[3], row[0]).not.toBe('')
  })
})
