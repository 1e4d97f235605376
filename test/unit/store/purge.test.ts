import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BodyWorld, fetchedTask, type StoringRun, sha256 } from '../../support/stored-bodies.js'

let world: BodyWorld
beforeEach(async () => {
  world = await BodyWorld.open()
})
afterEach(() => world.close())

const OWNED = [
  'Label',
  'RunFunction',
  'RunHost',
  'RunLane',
  'SourceBlock',
  'Task',
  'RunError',
  'RunSketch',
  'StageSketch',
  'RunSelection',
  'RunParts',
  'RunBlob',
  'AttemptSegment',
]

describe('a run that is deleted', () => {
  it('is out of sight at once, and everything of it goes in steps', () => {
    const run = world.launch()
    const rows = Array.from({ length: 2_500 }, (_, index) => fetchedTask(index, `body ${index % 1_200}`))
    for (const [index, text] of Array.from({ length: 1_200 }, (_, i) => [i, `body ${i}`] as const))
      world.stage(run, index, text)
    world.commit(run, rows, { ends: true })
    world.db.prepare(`INSERT INTO "Label" VALUES ('a', 'b', ?)`).run(run.id)
    world.db.prepare(`INSERT INTO "RunSketch" VALUES (?, x'00', x'00', x'00')`).run(run.id)
    world.db
      .prepare(`INSERT INTO "StageSketch" VALUES (?, 0, x'00', x'00', NULL), (?, 1, x'00', x'00', NULL)`)
      .run(run.id, run.id)
    world.db.prepare(`INSERT INTO "RunError" VALUES (?, 'TIMEOUT', 1, 1, 'late')`).run(run.id)
    const addBlock = world.db.prepare(`INSERT INTO "SourceBlock" VALUES (?, ?, 1, '[1]')`)
    for (let first = 0; first < 70; first += 1) addBlock.run(run.id, first)
    const addSegment = world.db.prepare(`INSERT INTO "AttemptSegment" VALUES (?, ?, NULL, x'')`)
    for (let number = 0; number < 70; number += 1) addSegment.run(run.id, number)
    world.db.prepare(`INSERT INTO "RunFunction" VALUES ('f', ?)`).run(run.id)
    world.db.prepare(`INSERT INTO "RunSelection" VALUES (?, x'00')`).run(run.id)
    for (const table of OWNED) expect(world.count(table)).toBeGreaterThan(0)

    expect(world.purger.deleteRun(run.id)).toBe(true)
    expect({ runs: world.count('Run'), labels: world.count('Label'), left: world.count('DeletedRun') }).toEqual({
      runs: 0,
      labels: 0,
      left: 1,
    })
    expect(world.count('Task')).toBe(2_500)
    const steps = world.purgeAll(run.id)
    expect(steps.length).toBeGreaterThan(6)
    // Bodies first: what is answered when they are gone does not wait for the rows.
    expect([...steps].sort()).toEqual(steps)
    for (const table of [...OWNED, 'DeletedRun']) expect([table, world.count(table)]).toEqual([table, 0])
    expect(world.texts()).toEqual([])
  })

  it('is not there, has not ended, or is deleted already: nothing happens', () => {
    const run = world.launch()
    expect(world.purger.deleteRun(run.id)).toBe(false)
    expect(world.purger.deleteRun(99)).toBe(false)
    world.commit(run, [], { ends: true })
    expect([world.purger.deleteRun(run.id), world.purger.deleteRun(run.id)]).toEqual([true, false])
    expect(world.purgeAll(run.id)).toEqual([null])
    expect(world.purger.purgeRuns([run.id])).toEqual([null])
  })

  it('whose file cannot be removed holds up those after it alone', () => {
    const [first, second] = [world.launch(), world.launch()]
    for (const run of [first, second]) world.commit(run, [], { ends: true })
    const file = join(world.dir, '..', 'uploads', 'stuck')
    // A folder is in its place.
    mkdirSync(file, { recursive: true })
    world.db.prepare(`INSERT INTO "SourceFile" VALUES (?, 'stuck', 'inputs', x'00')`).run(second.id)
    for (const { id } of [first, second]) world.purger.deleteRun(id)
    expect(world.purger.purgeRuns([first.id, second.id])).toEqual([null])
    expect(() => world.purger.purgeRuns([second.id])).toThrow()
    expect([world.count('DeletedRun'), world.count('SourceFile')]).toEqual([1, 1])
    rmSync(file, { recursive: true })
    expect(world.purgeAll(second.id)).toEqual(['FILES', null])
  })

  it('leaves other runs alone', () => {
    const run = world.launch()
    const other = world.launch()
    world.store(run, ['a', 'b'], { ends: true })
    world.store(other, ['b', 'c'], { ends: true })
    world.purger.deleteRun(run.id)
    world.purgeAll(run.id)
    expect(world.texts()).toEqual(['b', 'c'])
    expect([world.count('Task'), world.count('RunLane'), world.count('RunHost')]).toEqual([2, 1, 1])
  })

  it('takes its comparison with it where it is the last of its runs, and the items that they shared in steps', () => {
    world.db.prepare(`INSERT INTO "Comparison" VALUES (7, 'c', NULL, 0, '[]', 1)`).run()
    const addBlock = world.db.prepare(`INSERT INTO "ComparisonBlock" VALUES (?, ?, 1, '[1]')`)
    for (let first = 0; first < 70; first += 1) addBlock.run(7, first)
    addBlock.run(8, 0)
    const [run, last] = [world.launch(), world.launch()]
    for (const { id } of [run, last]) world.db.prepare('UPDATE "Run" SET "comparisonId" = 7 WHERE "id" = ?').run(id)
    for (const one of [run, last]) world.commit(one, [], { ends: true })
    world.purger.deleteRun(run.id)
    expect(world.purgeAll(run.id)).toEqual([null])
    expect([world.count('Comparison'), world.count('ComparisonBlock')]).toEqual([1, 71])
    world.purger.deleteRun(last.id)
    expect([world.count('Comparison'), world.count('ComparisonBlock')]).toEqual([0, 71])
    expect(world.purgeAll(last.id)).toEqual(['ROWS', 'ROWS', 'ROWS', null])
    // That of another comparison stays.
    expect([world.count('ComparisonBlock'), world.count('DeletedRun')]).toEqual([1, 0])
  })

  it('gives its bodies to nobody from that moment on', async () => {
    const run = world.launch()
    world.store(run, ['a'], { ends: true })
    expect(await world.bodies().find(sha256('a'))).not.toBeNull()
    world.purger.deleteRun(run.id)
    expect(await world.bodies().find(sha256('a'))).toBeNull()
    // An equal body of a run that comes then is that run's.
    const other = world.launch()
    world.store(other, ['a'])
    world.purgeAll(run.id)
    expect(Buffer.from((await world.bodies().beginning(sha256('a'), 10))!).toString()).toBe('a')
  })
})

/** What the disk must hold, kept by hand. */
class Model {
  readonly held = new Map<number, Set<string>>()
  readonly ended = new Set<number>()
  readonly doomed = new Set<number>()

  get texts(): string[] {
    const runs = [...this.held].filter(([id]) => !this.doomed.has(id))
    return [...new Set(runs.flatMap(([, texts]) => [...texts]))].sort()
  }
}

interface Situation {
  model: Model
  world: BodyWorld
  runs: StoringRun[]
}

type Step = (situation: Situation) => void

const TEXTS = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 })

function pick<T>(list: readonly T[], at: number): T | undefined {
  return list[at % Math.max(1, list.length)]
}

const launch: Step = ({ model, world, runs }) => {
  const run = world.launch()
  runs.push(run)
  model.held.set(run.id, new Set())
}

const going = ({ model, runs }: Situation) => runs.filter(({ id }) => !model.ended.has(id))

const STEPS: fc.Arbitrary<Step> = fc.oneof(
  fc.constant(launch),
  fc.tuple(fc.nat(9), TEXTS, fc.boolean()).map(
    ([at, texts, ends]): Step =>
      (situation) => {
        const run = pick(going(situation), at)
        if (!run) return
        situation.world.store(run, texts, { ends })
        for (const text of texts) situation.model.held.get(run.id)!.add(text)
        if (ends) situation.model.ended.add(run.id)
      },
  ),
  // The transaction fails: what was staged stays, for the next try or the next start.
  fc.tuple(fc.nat(9), TEXTS).map(
    ([at, texts]): Step =>
      (situation) => {
        const run = pick(going(situation), at)
        if (!run) return
        const tasks = texts.map((text, i) => {
          situation.world.stage(run, run.rows + i, text)
          return fetchedTask(run.rows + i, text)
        })
        situation.world.failToCommit(run, tasks)
      },
  ),
  fc.nat(9).map(
    (at): Step =>
      ({ model, world, runs }) => {
        const run = pick(runs, at)
        if (!run) return
        const isThere = model.ended.has(run.id) && !model.doomed.has(run.id)
        expect(world.purger.deleteRun(run.id)).toBe(isThere)
        if (isThere) model.doomed.add(run.id)
      },
  ),
  fc.nat(9).map(
    (at): Step =>
      ({ model, world }) => {
        const id = pick([...model.doomed], at)
        if (id !== undefined) world.purger.purgeRuns([id])
      },
  ),
  fc.constant<Step>(({ world }) => world.restart()),
)

describe('the bodies on disk', () => {
  it('are those that some run holds, whatever happens in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEPS, { maxLength: 40 }), async (steps) => {
        const situation: Situation = { model: new Model(), world: await BodyWorld.open(), runs: [] }
        try {
          for (const step of [launch, launch, ...steps]) {
            step(situation)
            // What is held is there at any time; what is not may be on its way to its end.
            const texts = new Set(situation.world.texts())
            for (const text of situation.model.texts) expect(texts.has(text)).toBe(true)
          }
          situation.world.restart()
          for (const id of situation.model.doomed) situation.world.purgeAll(id)
          expect(situation.world.texts()).toEqual(situation.model.texts)
          expect(situation.world.staged()).toEqual([])
        } finally {
          situation.world.close()
        }
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
