/** Runs the workloads and prints one report: `npm run bench`, or `npm run bench -- tiny-tasks fetches`; `--json` for machines. */

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { auto } from './auto.js'
import { computing, waiting } from './comparison.js'
import { downloads } from './downloads.js'
import { fetches } from './fetches.js'
import { plans } from './plans.js'
import { timeline } from './timeline.js'
import { tinyTasks } from './tiny-tasks.js'

const WORKLOADS = {
  downloads: () => downloads(),
  fetches: () => fetches(20_000, 5),
  'tiny-tasks': () => tinyTasks(1_000_000),
  timeline: () => timeline(1_000_000),
  auto: () => auto(7),
  'comparison-waiting': () => waiting(1),
  'comparison-computing': () => computing(3),
  plans: () => plans(5),
} as const

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true })
const unknown = positionals.filter((name) => !(name in WORKLOADS))
if (unknown.length > 0) {
  console.error(`There is no workload ${unknown.join(', ')}; there are ${Object.keys(WORKLOADS).join(', ')}`)
  process.exit(2)
}

const report: Record<string, object> = {}
for (const [name, run] of Object.entries(WORKLOADS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  if (!values.json) console.log(`\n${name}`)
  const result = await run()
  report[name] = result
  if (!values.json) console.log(tableOf(result))
}
if (values.json) console.log(JSON.stringify(report, null, 2))

function tableOf(result: object): string {
  const table = new Table({ style: { head: [], border: [] } })
  for (const [figure, value] of Object.entries(result)) table.push([figure, shown(value)])
  return table.toString()
}

function shown(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toPrecision(4)
  if (Array.isArray(value)) return value.map(shown).join(typeof value[0] === 'string' ? '\n' : ', ')
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, part]) => `${name}: ${shown(part)}`)
      .join(', ')
  }
  return String(value)
}
