import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelledWorld } from '../../support/modelled-world.js'
import { COMMANDS, LAUNCHES } from '../../support/run-commands.js'

/** A few hundred tell of what was broken just now; many thousands look for what nobody has thought of. */
const NUM_RUNS = Number(process.env.HEDDLE_PROPERTY_RUNS ?? 300)
const MS_A_RUN = 1_000

/** How runs have ended, and whether they repeat others. */
function noteEnds(world: ModelledWorld, seen: Set<string>): void {
  for (const { status, retryOf } of world.store.records.values()) {
    seen.add(status).add(retryOf === null ? 'launched' : 'repeated')
  }
}

describe('Runs', () => {
  it(
    'become what the model says, whatever happens in whatever order',
    async () => {
      const seen = new Set<string>()
      await fc.assert(
        fc.asyncProperty(
          LAUNCHES,
          fc.commands(COMMANDS, { maxCommands: 40, size: '+1' }),
          async (launches, commands) => {
            const world = new ModelledWorld()
            const scene = { runs: 0 }
            for (const launch of launches) await launch.run(scene, world)
            await fc.asyncModelRun(() => ({ model: scene, real: world }), commands)
            await world.finish()
            noteEnds(world, seen)
          },
        ),
        { numRuns: NUM_RUNS },
      )
      // What the sequences never come to they say nothing of.
      expect([...seen].sort()).toEqual(['CANCELLED', 'FAILED', 'PARTIAL', 'SUCCEEDED', 'launched', 'repeated'])
    },
    NUM_RUNS * MS_A_RUN,
  )
})
