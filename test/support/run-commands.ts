/** What can happen to a server and its runs, as commands of a model-based test. */

import fc from 'fast-check'
import type { TaskError } from '../../src/domain/errors.js'
import { Outcome } from '../../src/domain/results.js'
import type { Strategy } from '../../src/domain/strategy.js'
import type { FakeLane, Verdict } from './fake-lanes.js'
import { type ModelledWorld, succeed, type Wish } from './modelled-world.js'
import type { Blueprint, StageBlueprint } from './run-model.js'

/** fast-check decides by it what can be done; what has become of runs the world itself knows. */
export interface Scene {
  runs: number
}

export type RunCommand = fc.AsyncCommand<Scene, ModelledWorld>

const MAX_RUNS = 5
/** How often the server looks whether a wish has come true. */
const LOOK_MS = 5
/** How long a lane may go on with what it has before it hears that it is to give that back. */
const HEARD_MS = 50
const GONE: TaskError = { code: 'LANE_DIED', message: 'gone', retryable: true }

abstract class Command implements RunCommand {
  check(_scene: Scene): boolean {
    return true
  }

  async run(scene: Scene, world: ModelledWorld): Promise<void> {
    await this.apply(scene, world)
    await world.settle()
    await world.check()
  }

  protected abstract apply(scene: Scene, world: ModelledWorld): Promise<void> | void
  abstract toString(): string
}

class Launch extends Command {
  constructor(
    private readonly blueprint: Blueprint,
    private readonly strategy: Strategy,
    private readonly lanes: number | null,
  ) {
    super()
  }

  override check({ runs }: Scene): boolean {
    return runs < MAX_RUNS
  }

  protected async apply(scene: Scene, world: ModelledWorld): Promise<void> {
    scene.runs += 1
    await world.launchModelled(this.blueprint, { strategy: this.strategy, lanes: this.lanes })
  }

  override toString(): string {
    const { stages, items, isCompact, failFast, maxAttempts, priority } = this.blueprint
    const told = stages.map(({ kind, dedupe, perHostConcurrency }) =>
      [kind.toLowerCase(), dedupe && 'dedupe', perHostConcurrency && `${perHostConcurrency} a host`]
        .filter(Boolean)
        .join(' '),
    )
    const options = [
      this.strategy,
      this.lanes && `${this.lanes} lanes`,
      isCompact ? 'compact' : 'listed',
      failFast && 'failFast',
      `${maxAttempts} attempts`,
      priority && `priority ${priority}`,
    ]
    return `launch ${items} × ${told.join(' → ')} (${options.filter(Boolean).join(', ')})`
  }
}

type Verdicts = 'succeed' | 'fail' | 'fail retryably' | 'ask for later'

/** Of what waits for a slot nothing else can be told than that it has not started. */
class End extends Command {
  constructor(
    private readonly lane: number,
    private readonly count: number,
    private readonly verdict: Verdicts,
  ) {
    super()
  }

  protected apply(_scene: Scene, world: ModelledWorld): void {
    const lane = laneOf(world, this.lane)
    if (lane) world.report(lane, [...lane.held.keys()].slice(0, this.count), verdictOf(lane, this.verdict))
  }

  override toString(): string {
    return `lane ${this.lane}: ${this.count} ${this.verdict}`
  }
}

class GiveBack extends Command {
  constructor(private readonly lane: number) {
    super()
  }

  protected apply(_scene: Scene, world: ModelledWorld): void {
    const recalled = world.pool.busy.filter((lane) => lane.recalled)
    const lane = recalled[this.lane % Math.max(1, recalled.length)]
    if (lane) world.giveBack(lane)
  }

  override toString(): string {
    return `recalled lane ${this.lane}: gives back`
  }
}

class Die extends Command {
  constructor(private readonly lane: number) {
    super()
  }

  protected apply(_scene: Scene, world: ModelledWorld): void {
    laneOf(world, this.lane)?.die(GONE)
  }

  override toString(): string {
    return `lane ${this.lane}: dies`
  }
}

class Wait extends Command {
  constructor(
    private readonly lane: number,
    private readonly busyShare: number | null,
  ) {
    super()
  }

  protected apply(_scene: Scene, world: ModelledWorld): void {
    laneOf(world, this.lane)?.wait(this.busyShare)
  }

  override toString(): string {
    return `lane ${this.lane}: a task waits, busy ${this.busyShare ?? 'unknown'}`
  }
}

class Pass extends Command {
  constructor(private readonly ms: number) {
    super()
  }

  /** By the time that a moment has passed lanes have heard of what they were asked for. */
  protected async apply(_scene: Scene, world: ModelledWorld): Promise<void> {
    if (this.ms >= HEARD_MS) for (const lane of world.pool.busy) world.giveBack(lane)
    await world.settle()
    world.clock.advance(this.ms)
  }

  override toString(): string {
    return `${this.ms} ms pass`
  }
}

class Control extends Command {
  constructor(
    private readonly wish: Wish,
    private readonly at: number,
  ) {
    super()
  }

  override check({ runs }: Scene): boolean {
    return runs > 0
  }

  /** The answer comes at once where nothing keeps it. */
  protected async apply(_scene: Scene, world: ModelledWorld): Promise<void> {
    world.control(this.wish, this.at)
    await world.settle()
    world.clock.advance(LOOK_MS)
  }

  override toString(): string {
    return `${this.wish} run ${this.at}`
  }
}

class Retry extends Command {
  constructor(
    private readonly at: number,
    private readonly maxAttempts: number,
  ) {
    super()
  }

  override check({ runs }: Scene): boolean {
    return runs > 0
  }

  protected apply(_scene: Scene, world: ModelledWorld): Promise<void> {
    return world.retry(this.at, this.maxAttempts)
  }

  override toString(): string {
    return `retry run ${this.at} (${this.maxAttempts} attempts)`
  }
}

class HoldCommits extends Command {
  protected apply(_scene: Scene, world: ModelledWorld): void {
    world.store.autoCommit = false
  }

  override toString(): string {
    return 'the disk is slow'
  }
}

class LetCommit extends Command {
  protected apply(_scene: Scene, world: ModelledWorld): void {
    world.store.autoCommit = true
    world.store.release()
  }

  override toString(): string {
    return 'the disk is quick'
  }
}

class HoldStarts extends Command {
  protected apply(_scene: Scene, world: ModelledWorld): void {
    world.pool.slowStarts = true
  }

  override toString(): string {
    return 'lanes start slowly'
  }
}

class LetStart extends Command {
  protected apply(_scene: Scene, world: ModelledWorld): void {
    world.pool.slowStarts = false
    world.pool.letStart()
  }

  override toString(): string {
    return 'lanes have started'
  }
}

class Crash extends Command {
  protected apply(_scene: Scene, world: ModelledWorld): Promise<void> {
    return world.crash()
  }

  override toString(): string {
    return 'kill -9, start'
  }
}

class Leave extends Command {
  constructor(
    private readonly drainMs: number,
    private readonly meanwhile: readonly RunCommand[],
  ) {
    super()
  }

  protected async apply(scene: Scene, world: ModelledWorld): Promise<void> {
    await world.leave(this.drainMs, async () => {
      for (const command of this.meanwhile) await command.run(scene, world)
    })
    await world.start()
  }

  override toString(): string {
    const meanwhile = this.meanwhile.length > 0 ? `, meanwhile [${this.meanwhile.join('; ')}]` : ''
    return `SIGTERM, ${this.drainMs} ms${meanwhile}, start`
  }
}

function laneOf({ pool }: ModelledWorld, at: number): FakeLane | null {
  const lanes = pool.busy.filter((lane) => lane.inService().length > 0)
  return lanes[at % Math.max(1, lanes.length)] ?? null
}

function verdictOf(lane: FakeLane, verdict: Verdicts): (held: FakeLane['held'][number]) => Verdict {
  const code = lane.job?.work.kind === 'FETCH' ? ('HTTP_STATUS' as const) : ('FUNCTION_ERROR' as const)
  return (held) => {
    if (verdict === 'succeed') return succeed(lane)(held)
    if (lane.cancelled) return { outcome: held.startedAt === null ? Outcome.NOT_STARTED : Outcome.CANCELLED }
    const error = { code, message: 'no', retryable: verdict !== 'fail' }
    return { outcome: Outcome.FAILED, error, ...(verdict === 'ask for later' && { retryAfterMs: 3000 }) }
  }
}

const stage: fc.Arbitrary<StageBlueprint> = fc.oneof(
  fc.constant({ kind: 'COMPUTE' as const, dedupe: false, perHostConcurrency: null }),
  fc.record({
    kind: fc.constant('FETCH' as const),
    dedupe: fc.boolean(),
    perHostConcurrency: fc.option(fc.integer({ min: 1, max: 3 })),
  }),
)

const blueprint: fc.Arbitrary<Blueprint> = fc.record({
  items: fc.integer({ min: 1, max: 14 }),
  isCompact: fc.boolean(),
  stages: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(stage) },
    { weight: 2, arbitrary: fc.array(stage, { minLength: 2, maxLength: 3 }) },
  ),
  failFast: fc.constantFrom(false, false, true),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  priority: fc.constantFrom(0, 0, 1),
})

const lane = fc.nat(4)

const launch = fc
  .tuple(
    blueprint,
    fc.constantFrom<Strategy>('THREADS', 'AUTO', 'SEQUENTIAL', 'ASYNC', 'PROCESSES'),
    fc.option(fc.integer({ min: 1, max: 4 })),
  )
  .map((of) => new Launch(...of))

const end = fc
  .tuple(
    lane,
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom<Verdicts>('succeed', 'succeed', 'succeed', 'fail', 'fail retryably', 'ask for later'),
  )
  .map((of) => new End(...of))

const giveBack = lane.map((at) => new GiveBack(at))
const die = lane.map((at) => new Die(at))
const wait = fc.tuple(lane, fc.constantFrom(null, 0.1, 0.9)).map((of) => new Wait(...of))
const pass = fc.constantFrom(1, 50, 100, 400, 1000, 3000).map((ms) => new Pass(ms))

const control = fc
  .tuple(fc.constantFrom<Wish>('pause', 'pause', 'resume', 'cancel'), fc.nat(MAX_RUNS - 1))
  .map((of) => new Control(...of))

const retry = fc.tuple(fc.nat(MAX_RUNS - 1), fc.integer({ min: 1, max: 3 })).map((of) => new Retry(...of))

const meanwhile = fc.array(fc.oneof({ weight: 4, arbitrary: end }, giveBack, die, pass, control), { maxLength: 4 })
const leave = fc.tuple(fc.constantFrom(0, 1000), meanwhile).map((of) => new Leave(...of))

/** What there is to happen to. */
export const LAUNCHES = fc.array(launch, { minLength: 1, maxLength: 3 })

/** Each as often as it is in the list. */
export const COMMANDS: fc.Arbitrary<RunCommand>[] = [
  launch,
  ...Array<typeof end>(8).fill(end),
  giveBack,
  die,
  wait,
  control,
  control,
  retry,
  pass,
  pass,
  fc.constant(new HoldCommits()),
  fc.constant(new LetCommit()),
  fc.constant(new LetCommit()),
  fc.constant(new HoldStarts()),
  fc.constant(new LetStart()),
  fc.constant(new Crash()),
  leave,
]
