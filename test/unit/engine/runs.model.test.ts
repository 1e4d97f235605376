import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelledWorld } from '../../support/modelled-world.js'
import { COMMANDS } from '../../support/run-commands.js'

/** A few hundred tell of what was broken just now; many thousands look for what nobody has thought of. */
const NUM_RUNS = Number(process.env.HEDDLE_PROPERTY_RUNS ?? 300)
const MS_A_RUN = 1_000

describe('Runs', () => {
  it(
    'become what the model says, whatever happens in whatever order',
    async () => {
      let ended = 0
      await fc.assert(
        fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 40, size: '+1' }), async (commands) => {
          const world = new ModelledWorld()
          await fc.asyncModelRun(() => ({ model: { runs: 0 }, real: world }), commands)
          await world.finish()
          ended += world.launched
        }),
        { numRuns: NUM_RUNS },
      )
      expect(ended).toBeGreaterThan(NUM_RUNS)
    },
    NUM_RUNS * MS_A_RUN,
  )
})
