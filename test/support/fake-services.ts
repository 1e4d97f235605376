import { ExportLinks } from '../../src/domain/export-links.js'
import type { FunctionInfo } from '../../src/functions/function.js'
import type { ApiServices } from '../../src/graphql/context.js'
import { Subscribers } from '../../src/graphql/subscribers.js'
import { createLog } from '../../src/log.js'
import { ManualClock } from './clock.js'
import { FakeRuns } from './fake-runs.js'

const SQUARE: FunctionInfo = {
  name: 'square',
  description: 'The square of a number.',
  inputSchema: { type: 'number' },
  outputSchema: { type: 'number' },
  example: 3,
}

export interface TestServices extends ApiServices {
  clock: ManualClock
  runs: FakeRuns
  /** Each line of the log, parsed. */
  logged: Record<string, unknown>[]
}

/** What the API stands on, in memory, with a clock that stands still. */
export function testServices(): TestServices {
  const runs = new FakeRuns()
  const logged: Record<string, unknown>[] = []
  return {
    runs,
    logged,
    engine: runs.engine,
    store: runs.store,
    bus: runs.bus,
    functions: [SQUARE],
    links: new ExportLinks(new Uint8Array(32)),
    clock: new ManualClock(),
    subscribers: new Subscribers(),
    vitals: { version: '1.2.3', host: 'here', cores: 4, uptimeMs: () => 1000, eventLoopDelayP99Ms: () => 1.5 },
    log: createLog({ level: 'info', pretty: false, destination: { write: (line) => logged.push(JSON.parse(line)) } }),
  }
}
