/**
 * The promise of docs/durability.md, held to servers that are killed at random moments: HEDDLE_TEST_CRASHES says how often, and
 * HEDDLE_TEST_SEED repeats an ordeal, as far as a machine does.
 */

import { afterEach, describe, expect, it } from 'vitest'
import { Ordeal } from './ordeal.js'

const crashes = Number(process.env.HEDDLE_TEST_CRASHES ?? 4)
const seed = Number(process.env.HEDDLE_TEST_SEED ?? Date.now() % 1_000_000)
/** Of the problems, in a failure's report. */
const MAX_SHOWN = 8
/** Each is a start of the server, and some seconds of its life. */
const TIMEOUT_MS = 60_000 + crashes * 15_000

let ordeal: Ordeal | null = null
afterEach(() => ordeal?.close())

describe('a server that is killed again and again', () => {
  it(
    `loses nothing and does nothing twice (${crashes} crashes, seed ${seed})`,
    async () => {
      const tell = (line: string) => process.stderr.write(`${line}\n`)
      ordeal = await Ordeal.begin(seed)
      const report = await ordeal.run({ crashes, tell })
      const { runs, tasks, mostRepeated, problems, crashes: crashed } = report
      tell(
        `seed ${seed}: ${crashed} crashes, ${runs} runs, ${tasks} tasks, ${mostRepeated} requests repeated by one crash at most`,
      )
      // One text: a report of a failure shows a list's length alone.
      expect(problems.slice(0, MAX_SHOWN).join('\n')).toBe('')
      expect(crashed).toBe(crashes)
      expect(runs).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
})
