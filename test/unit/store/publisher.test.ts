import { readdirSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blobPath } from '../../../src/domain/blob.js'
import { Outcome } from '../../../src/domain/results.js'
import { BodyWorld, fetchedTask, sha256, storingStage } from '../../support/stored-bodies.js'

let world: BodyWorld
beforeEach(async () => {
  world = await BodyWorld.open()
})
afterEach(() => world.close())

const TIMEOUT = { code: 'TIMEOUT', message: 'too late', retryable: true } as const

describe('a commit of a run that stores bodies', () => {
  it('makes its bodies public, equal ones once, and leaves nothing staged', () => {
    const run = world.launch()
    world.store(run, ['a', 'b', 'a', 'c', 'a'])
    expect(world.texts()).toEqual(['a', 'b', 'c'])
    expect(world.staged()).toEqual([])
    expect(world.count('RunBlob')).toBe(3)
    expect(statSync(join(world.dir, blobPath(sha256('a')))).nlink).toBe(1)
  })

  it('takes bodies of tasks with a history, and none of those that failed, were dropped or store none', () => {
    const run = world.launch([storingStage('DISCARD'), storingStage()])
    for (const [index, text] of ['kept', 'failed', 'dropped', 'other'].entries()) world.stage(run, index, text, 1)
    const commit = world.commitOf(
      run,
      [
        fetchedTask(0, 'kept', { attempt: 2 }),
        fetchedTask(1, 'failed', { outcome: Outcome.FAILED, error: TIMEOUT }),
        fetchedTask(2, 'dropped', { outcome: Outcome.NOT_STARTED }),
      ],
      { stage: 1 },
    )
    const attempt = { startedMs: 0, serviceMs: 1, lane: 'thread-1' }
    commit.blocks[0]!.histories = [
      {
        at: 0,
        attempts: [
          { ...attempt, number: 1, error: TIMEOUT },
          { ...attempt, number: 2, error: null },
        ],
      },
    ]
    commit.blocks[0]!.dropped = new Set([2])
    const discarded = world.commitOf({ ...run, rows: 2 }, [fetchedTask(3, 'other')], { stage: 0 })
    world.committer.commit([commit, discarded])
    expect(world.texts()).toEqual(['kept'])
    expect(world.count('RunBlob')).toBe(1)
  })

  it('takes one copy for the task that was answered by the request of another', () => {
    const run = world.launch()
    world.stage(run, 1, 'shared')
    world.commit(run, [
      fetchedTask(0, 'shared', { attempt: 0 }),
      fetchedTask(1, 'shared'),
      fetchedTask(2, 'shared', { attempt: 0 }),
    ])
    world.commit(run, [fetchedTask(3, 'shared', { attempt: 0 })])
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['shared'], staged: [] })
  })

  it('writes the row of a task whose body somebody else took away', async () => {
    const run = world.launch()
    unlinkSync(join(world.dir, 'tmp', world.stage(run, 0, 'gone')))
    world.commit(run, [fetchedTask(0, 'gone')])
    expect({ tasks: world.count('Task'), held: world.count('RunBlob') }).toEqual({ tasks: 1, held: 0 })
    expect(await world.bodies().find(sha256('gone'))).toBeNull()
  })

  it('can be given again where it failed', () => {
    const run = world.launch()
    const tasks = ['a', 'b'].map((text, index) => {
      world.stage(run, index, text)
      return fetchedTask(index, text)
    })
    world.failToCommit(run, tasks)
    expect(world.staged()).toHaveLength(2)
    expect(world.count('RunBlob')).toBe(0)
    world.commit(run, tasks)
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['a', 'b'], staged: [] })
  })

  it('clears up after the lanes when the run has ended, and after no other run', () => {
    const run = world.launch()
    const other = world.launch()
    world.store(run, ['a'])
    world.stage(run, 7, 'of a lane that died')
    writeFileSync(join(world.dir, 'tmp', `${run.key}.8.1-0-1.part`), 'half')
    const kept = world.stage(other, 0, 'on its way')
    world.commit(run, [], { ends: true })
    expect(world.staged()).toEqual([kept])
  })

  it('makes a body whole again that a power cut has left too short', async () => {
    world.store(world.launch(), ['cut'])
    const path = join(world.dir, blobPath(sha256('cut')))
    truncateSync(path, 1)
    expect(await world.bodies().find(sha256('cut'))).toBeNull()
    expect(await world.bodies().beginning(sha256('cut'), 100)).toBeNull()
    world.store(world.launch(), ['cut'])
    expect(await world.bodies().find(sha256('cut'))).toEqual({ path, bytes: 3 })
    expect(world.texts()).toEqual(['cut'])
  })

  it('makes a body whole again that its own run has stored before, or has lost', () => {
    const run = world.launch()
    world.store(run, ['cut', 'gone'])
    truncateSync(join(world.dir, blobPath(sha256('cut'))), 1)
    unlinkSync(join(world.dir, blobPath(sha256('gone'))))
    world.store(run, ['cut', 'gone'])
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['cut', 'gone'], staged: [] })
  })

  it('still holds a body that has been lost where a task was answered by the request of another', () => {
    const run = world.launch()
    world.store(run, ['cut'])
    truncateSync(join(world.dir, blobPath(sha256('cut'))), 1)
    world.commit(run, [fetchedTask(1, 'cut', { attempt: 0 })], { ends: true })
    expect(world.count('RunBlob')).toBe(1)
    world.purger.deleteRun(run.id)
    world.purgeAll(run.id)
    expect(world.texts()).toEqual([])
  })

  it.each(['EPERM', 'ENOTSUP', 'EXDEV', 'EMLINK'])(
    'copies where the file system has no hard links: %s',
    async (code) => {
      world.close()
      world = await BodyWorld.open(() => {
        throw Object.assign(new Error('no links here'), { code })
      })
      world.store(world.launch(), ['a', 'b', 'a'])
      world.store(world.launch(), ['b'])
      expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['a', 'b'], staged: [] })
    },
  )

  it('does not come about where a file cannot get its name', async () => {
    let full = true
    world.close()
    const { linkSync } = await import('node:fs')
    world = await BodyWorld.open((from, to) => {
      if (full) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      linkSync(from, to)
    })
    const run = world.launch()
    world.stage(run, 0, 'a')
    expect(() => world.commit(run, [fetchedTask(0, 'a')])).toThrow('no space left')
    expect(world.count('Task')).toBe(0)
    full = false
    world.commit(run, [fetchedTask(0, 'a')])
    expect(world.texts()).toEqual(['a'])
  })
})

describe('the start after a crash', () => {
  it('removes what was being written, and what was whole and not committed', () => {
    const run = world.launch()
    world.store(run, ['kept'])
    world.stage(run, 5, 'uncommitted')
    writeFileSync(join(world.dir, 'tmp', `${run.key}.6.1-0-1.part`), 'half')
    writeFileSync(join(world.dir, 'tmp', 'strange'), '')
    world.restart()
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['kept'], staged: [] })
  })

  it('removes the final file of a commit that did not come about', () => {
    const run = world.launch()
    world.stage(run, 0, 'a')
    world.failToCommit(run, [fetchedTask(0, 'a')])
    expect(world.texts()).toEqual(['a'])
    world.restart()
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: [], staged: [] })
  })

  it('leaves the final file that another run holds', () => {
    world.store(world.launch(), ['shared'])
    const run = world.launch()
    world.stage(run, 0, 'shared')
    world.failToCommit(run, [fetchedTask(0, 'shared')])
    world.restart()
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['shared'], staged: [] })
  })

  it('gives a body its name that is committed and has lost it', () => {
    const run = world.launch()
    world.store(run, ['a'])
    unlinkSync(join(world.dir, blobPath(sha256('a'))))
    world.stage(run, 0, 'a')
    world.restart()
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['a'], staged: [] })
  })

  it('clears up after a commit that came about', () => {
    const run = world.launch()
    world.store(run, ['a'])
    world.stage(run, 0, 'a')
    world.restart()
    expect({ texts: world.texts(), staged: world.staged() }).toEqual({ texts: ['a'], staged: [] })
    expect(readdirSync(world.dir).length).toBe(2)
  })
})
