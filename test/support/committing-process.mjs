/**
 * A process that opens the store of the built product and commits until it is killed. It tells what it has been told: a line
 * for each launch and each commit that was acknowledged.
 */
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createStore } from '../../dist/store/open.js'

const [path] = process.argv.slice(2)
const ROWS = 700
const IN_FLIGHT = 4

const dist = new URL('../../dist/store/', import.meta.url)
const store = await createStore({
  url: `file:${path}`,
  dataDir: dirname(path),
  migrationsDir: new URL('../../prisma/migrations', import.meta.url).pathname,
  writerEntry: new URL('writer-entry.js', dist),
  readerEntry: new URL('reader-entry.js', dist),
  uploadsDir: join(dirname(path), 'uploads'),
})

const tell = (line) => process.stdout.write(`${line}\n`)
const spec = {
  kind: 'COMPUTE',
  name: null,
  labels: [{ name: 'crash', value: 'yes' }],
  priority: 0,
  strategy: 'THREADS',
  concurrency: null,
  lanes: null,
  failFast: false,
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0, unsafe: false },
  timeoutMs: null,
  source: { kind: 'list', form: 'inputs', count: 3 },
  stages: [{ kind: 'COMPUTE', name: 'compute', function: 'f', chunkSize: null, reduce: null }],
}
let launches = 0
async function launch() {
  launches += 1
  const key = `${process.pid.toString(16)}f${launches.toString(16)}`.padStart(32, '0')
  const items = ['a', 'b', 'c']
  const { run } = await store.createRun({ key, spec, items, file: null, idempotency: null, createdAt: new Date() })
  tell(`launched ${key}`)
  return run
}

const { id, key, spec: _spec, createdAt, ...state } = await launch()
tell(`run ${key}`)

function outputColumn(texts) {
  let end = 0
  const ends = Uint32Array.from(texts, (text) => {
    end += text.length
    return end
  })
  return { text: texts.join(''), ends }
}

/** Every seventh task has failed. */
function columns(first) {
  const places = Array.from({ length: ROWS }, (_, at) => at)
  const hasFailed = (at) => (first + at) % 7 === 0
  return {
    count: ROWS,
    indexes: Float64Array.from(places, (at) => first + at),
    attempts: new Uint8Array(ROWS).fill(1),
    outcomes: Uint8Array.from(places, (at) => (hasFailed(at) ? 1 : 0)),
    startedAt: Float64Array.from(places, (at) => 1000 + first + at),
    serviceMs: Float64Array.from(places, (at) => 1 + ((first + at) % 100)),
    cpuMs: null,
    outputs: outputColumn(places.map((at) => String(first + at))),
    handedOver: null,
    errors: places
      .filter(hasFailed)
      .map((at) => ({ at, error: { code: 'FUNCTION_ERROR', message: 'no', retryable: false }, retryAfterMs: null })),
    fetches: null,
  }
}

let failed = 0
let written = 0
async function commitNext() {
  const first = written
  written += ROWS
  const block = {
    stage: 0,
    firstSequence: first + 1,
    lane: `thread-${(first / ROWS) % 3}`,
    columns: columns(first),
    dropped: null,
    histories: [],
    runStartedAt: 1000,
    readyAt: 1000,
    readyAts: null,
  }
  failed += block.columns.errors.length
  const counts = { ...state.counts, total: written, succeeded: written - failed, failed }
  const now = { ...state, status: 'RUNNING', counts, lastTaskSequence: written, startedAt: new Date(1000) }
  await store.commit([{ runId: id, state: now, blocks: [block], sketches: null, stageSketches: [] }])
  tell(`committed ${first + ROWS}`)
}

async function commitForever() {
  for (;;) await commitNext()
}

async function launchForever() {
  for (;;) {
    await launch()
    await setTimeout(1)
  }
}

await Promise.all([launchForever(), ...Array.from({ length: IN_FLIGHT }, commitForever)])
