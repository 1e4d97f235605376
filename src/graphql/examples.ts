/** An operation for each thing that the API does, to start from: the tabs that GraphiQL opens with. */

import type { Example } from './example.js'
import { LAUNCH_EXAMPLES } from './launch-examples.js'
import { READ_EXAMPLES } from './read-examples.js'

export const EXAMPLES: readonly Example[] = [...LAUNCH_EXAMPLES, ...READ_EXAMPLES]
