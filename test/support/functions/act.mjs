// One function that does what its input says, so that tasks of one job can fare differently.
import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { parentPort } from 'node:worker_threads'

const kept = []

const acts = {
  echo: ({ value }) => value,
  bigint: ({ digits }) => BigInt(digits),
  nan: () => Number.NaN,
  cycle: () => {
    const cycle = {}
    cycle.itself = cycle
    return cycle
  },
  big: ({ chars, char = 'x' }) => char.repeat(chars),
  fail: ({ message, retryable }) => {
    throw Object.assign(new RangeError(message), retryable === undefined ? {} : { retryable })
  },
  raise: ({ value }) => {
    throw value
  },
  reject: ({ message }) => Promise.reject(new Error(message)),
  resolve: ({ value }) => Promise.resolve(value),
  thenable: ({ value }) => ({
    // No promise: it calls back at once, and twice.
    then(done) {
      done(value)
      done('again')
    },
  }),
  context: (_input, { index, attempt, signal }) => ({ index, attempt, aborted: signal.aborted }),
  environment: () => ({ ...process.env }),
  pid: () => process.pid,
  burn: ({ ms }) => {
    const end = performance.now() + ms
    while (performance.now() < end);
    return ms
  },
  wait: ({ ms, value }) => new Promise((resolve) => setTimeout(resolve, ms, value)),
  spin: () => {
    for (;;);
  },
  exit: ({ code }) => process.exit(code),
  abort: () => process.abort(),
  signal: ({ name }) => {
    process.kill(process.pid, name)
    for (;;);
  },
  // Not by process.kill, which a thread has for itself alone: as a crash in native code would.
  killProcess: () => {
    execFileSync('/bin/sh', ['-c', `kill -9 ${process.pid}`])
    for (;;);
  },
  hog: () => {
    for (let last = null; ; ) last = { last, value: Math.random() }
  },
  // As fast as something that also does its work: what takes a gigabyte in a moment nobody sees in time.
  hogSteps: () => {
    const never = new Int32Array(new SharedArrayBuffer(4))
    for (const all = []; ; Atomics.wait(never, 0, 0, 5)) all.push(new Array(1_000_000).fill(0.5))
  },
  hogBuffers: () => {
    for (;;) kept.push(Buffer.alloc(1024 * 1024, 1))
  },
  throwLater: ({ message }) => {
    setImmediate(() => {
      throw new TypeError(message)
    })
    return 'early'
  },
  rejectLater: ({ message }) => {
    Promise.reject(new Error(message))
    return 'early'
  },
  rejectBeside: async ({ message }) => {
    Promise.reject(new Error(message))
    return 'early'
  },
  // What nobody has asked for, over whatever leads to the server.
  babble: () => {
    for (const message of [null, 1, {}, { kind: 'results' }, { kind: 'fault', message: 'made up' }]) {
      parentPort?.postMessage(message)
      if (message !== null) process.send?.(message)
    }
    return 'said'
  },
  // As libraries do that have time stand still.
  stopClock: () => {
    performance.now = () => Number.NaN
    return 'stopped'
  },
  // When its end has been told.
  spinLater: () => {
    setTimeout(() => {
      for (;;);
    }, 50)
    return 'early'
  },
  // Waits until the other end of a connection says what to return: the test lets it go.
  gate: ({ port, key, stubborn = false }, { signal }) =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`${key}\n`))
      socket.on('error', reject)
      socket.on('data', (data) => {
        socket.destroy()
        resolve(String(data))
      })
      if (stubborn) return
      signal.addEventListener('abort', () => {
        socket.destroy()
        reject(signal.reason)
      })
    }),
}

export default {
  name: 'act',
  description: 'Does what its input says.',
  inputSchema: { type: 'object', properties: { do: { enum: Object.keys(acts) } }, required: ['do'] },
  example: { do: 'echo', value: 1 },
  run: (input, context) => {
    if ('progress' in input) context.progress(input.progress)
    return acts[input.do](input, context)
  },
}
