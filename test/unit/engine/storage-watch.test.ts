import { describe, expect, it } from 'vitest'
import { StorageError, type StorageTroubleCode } from '../../../src/domain/storage.js'
import { StorageWatch } from '../../../src/engine/storage-watch.js'
import { createLog } from '../../../src/log.js'
import { ManualClock } from '../../support/clock.js'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A disk whose state the test sets. */
function setup() {
  const disk = { refuses: null as Error | null, tries: 0, isStuck: false }
  const clock = new ManualClock()
  const said: string[] = []
  const log = createLog({
    level: 'info',
    pretty: false,
    destination: { write: (line) => void said.push(`${JSON.parse(line).level} ${JSON.parse(line).msg}`) },
  })
  const watch = new StorageWatch({
    store: {
      proveWritable: async () => {
        disk.tries += 1
        if (disk.refuses) throw disk.refuses
      },
    },
    clock,
    log,
    isStuck: () => disk.isStuck,
    onOver: () => void said.push('over'),
  })
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settle()
  }
  return { disk, clock, said, watch, pass }
}

const failure = (code: StorageTroubleCode) => new StorageError(code, `the disk is ${code}`)

describe('StorageWatch', () => {
  it('says once that the disk is full, and once when it is over', async () => {
    const { disk, said, watch, pass } = setup()
    disk.refuses = failure('FULL')
    for (let second = 0; second < 5; second += 1) {
      expect(watch.failed(failure('FULL'))).toBe(true)
      await pass(1_000)
    }
    expect(said).toEqual(['error the disk is full: runs stand still until there is room'])
    expect(watch.trouble).toEqual({ code: 'FULL', since: new Date(Date.UTC(2026, 0, 1)) })
    disk.refuses = null
    await pass(1_000)
    expect(watch.trouble).toBeNull()
    expect(said.slice(1)).toEqual(['warn the disk can be written again: runs go on', 'over'])
  })

  it('leaves no timer behind when all is well, and none when it is stopped', async () => {
    const { disk, clock, watch, pass } = setup()
    watch.failed(failure('BUSY'))
    await pass(1_000)
    expect([clock.nextDueMs, disk.tries]).toEqual([null, 1])
    watch.failed(failure('BUSY'))
    watch.stop()
    expect(clock.nextDueMs).toBeNull()
    watch.look()
    expect(disk.tries).toBe(1)
  })

  it('is not over while something that failed has still to be written', async () => {
    const { disk, watch, pass } = setup()
    watch.failed(failure('FULL'))
    disk.isStuck = true
    await pass(3_000)
    expect(watch.trouble).not.toBeNull()
    disk.isStuck = false
    await pass(1_000)
    expect(watch.trouble).toBeNull()
  })

  it('says so when the trouble becomes another, and keeps when it began', async () => {
    const { disk, said, watch, pass } = setup()
    watch.failed(failure('BUSY'))
    disk.refuses = failure('FAILED')
    await pass(1_000)
    expect(watch.trouble).toEqual({ code: 'FAILED', since: new Date(Date.UTC(2026, 0, 1)) })
    expect(said).toHaveLength(2)
  })

  it('tries on where a try fails of a fault', async () => {
    const { disk, watch, pass } = setup()
    watch.failed(failure('FULL'))
    disk.refuses = new Error('the thread has ended')
    await pass(1_000)
    expect(watch.trouble?.code).toBe('FULL')
    disk.refuses = null
    await pass(1_000)
    expect(watch.trouble).toBeNull()
  })

  it('takes no fault for trouble of the disk', async () => {
    const { disk, clock, watch } = setup()
    const fault = new Error('no such column')
    expect(watch.failed(fault)).toBe(false)
    await expect(watch.over(() => Promise.reject(fault))).rejects.toBe(fault)
    expect(await watch.over(async () => 'written')).toBe('written')
    expect([watch.trouble, clock.nextDueMs, disk.tries]).toEqual([null, null, 0])
  })

  it('takes note where what it watches over fails', async () => {
    const { watch } = setup()
    await expect(watch.over(() => Promise.reject(failure('FULL')))).rejects.toThrow('the disk is FULL')
    expect(watch.trouble?.code).toBe('FULL')
  })

  it('looks at once where somebody else has found no room', async () => {
    const { disk, said, watch } = setup()
    watch.look()
    watch.look()
    await settle()
    expect([watch.trouble, disk.tries, said]).toEqual([null, 1, []])
    disk.refuses = failure('FULL')
    watch.look()
    await settle()
    expect(watch.trouble?.code).toBe('FULL')
    expect(said).toHaveLength(1)
  })
})
