/** The schema: the nouns register themselves when they are imported; nothing else happens here. */

import './body.js'
import './budget.js'
import './comparison.js'
import './comparisons.js'
import './control.js'
import './deletion.js'
import './diagnostics.js'
import './error-group.js'
import './export.js'
import './functions.js'
import './hosts.js'
import './in-flight.js'
import './launch.js'
import './many-runs.js'
import './node.js'
import './phases.js'
import './plan.js'
import './retries.js'
import './run.js'
import './run-comparison.js'
import './runs.js'
import './scalars.js'
import './subscriptions.js'
import './system.js'
import './task.js'
import './tasks.js'
import './timeline.js'
import './timing-history.js'
import { printSchema } from 'graphql'
import { builder } from './builder.js'

export const schema = builder.toSchema()

/** What schema.graphql at the project's root holds. */
export function printedSchema(): string {
  return `${printSchema(schema)}\n`
}
