import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { computeJob, eventually, FUNCTIONS_DIR, grantOf, LANE_ENTRY, Listener, testPool } from '../support/lanes.js'

const echo = (value: unknown) => ({ do: 'echo', value })

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a child process', () => {
  it('does not hear the signals that the terminal sends to all', async () => {
    const pool = testPool()
    const lane = await pool.acquire('PROCESS')
    const listener = new Listener()
    lane.open(computeJob(), listener)
    lane.grant(grantOf([{ do: 'pid' }]))
    const pid = Number((await listener.untilRows(1))[0]!.output)
    process.kill(pid, 'SIGINT')
    process.kill(pid, 'SIGTERM')
    lane.grant(grantOf([echo('still here')], 1))
    await listener.untilRows(2)
    process.kill(pid, 'SIGKILL')
    const { error } = await listener.untilDeath()
    expect(error).toMatchObject({ code: 'LANE_DIED', message: 'process-1 was ended by SIGKILL' })
    await pool.close()
  })

  it('has a limit for memory that is not JavaScript’s, and none for process.abort', async () => {
    const pool = testPool()
    const [hog, quitter] = await Promise.all([pool.acquire('PROCESS'), pool.acquire('PROCESS')])
    const [hogged, quit] = [new Listener(), new Listener()]
    hog.open(computeJob(), hogged)
    quitter.open(computeJob(), quit)
    hog.grant(grantOf([{ do: 'hogBuffers' }]))
    quitter.grant(grantOf([{ do: 'abort' }]))
    expect((await hogged.untilDeath()).error.code).toBe('OUT_OF_MEMORY')
    expect((await quit.untilDeath()).error).toMatchObject({
      code: 'LANE_DIED',
      message: 'process-2 exited with code 134',
    })
    await pool.close()
  })

  it('ends when its server was killed, even if a function spins', async () => {
    const options = { allowHosts: [], stagingDir: '/nowhere', laneMemoryMb: 64, maxLanes: 2, keepWarm: 0 }
    const script = `
      const { createLanePool } = await import(${JSON.stringify(new URL('./pool.js', LANE_ENTRY).href)})
      const pool = createLanePool({ ...${JSON.stringify(options)}, entry: new URL(process.argv[1]), functionsDir: process.argv[2] })
      const job = (job) => ({ job, work: { kind: 'COMPUTE', function: 'act', reduce: null }, source: null, slots: 1, timeoutMs: null, maxOutputBytes: 1e6 })
      for (const last of ['spin', 'pid']) {
        const lane = await pool.acquire('PROCESS')
        lane.open(job(1), { onResults: ({ columns }) => console.log(columns.outputs.text), onDeath() {} })
        lane.grant({ first: 0, count: 2, indexes: null, inputs: [{ do: 'pid' }, { do: last }], attempts: null })
      }
    `
    const argv = ['--input-type=module', '-e', script, LANE_ENTRY.href, FUNCTIONS_DIR]
    const server = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const pids = new Set<number>()
    server.stdout.on('data', (data) => {
      for (const line of String(data).split('\n')) if (line) pids.add(Number(line))
    })
    await eventually(() => pids.size === 2)
    expect([...pids].every(isAlive)).toBe(true)
    server.kill('SIGKILL')
    await once(server, 'exit')
    await eventually(() => ![...pids].some(isAlive))
  })
})
