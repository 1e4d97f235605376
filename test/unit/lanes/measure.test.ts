import { describe, expect, it } from 'vitest'
import type { LaneKind } from '../../../src/domain/strategy.js'
import type { Carrier, CarrierListener, CarrierSource } from '../../../src/lanes/carrier.js'
import { MEASURED_LANES, Measurement } from '../../../src/lanes/measure.js'
import type { ToLane } from '../../../src/lanes/messages.js'
import { ManualClock } from '../../support/clock.js'

/** What the n-th lane of a kind takes. */
interface Script {
  startMs(lane: number): number
  grownMb(lane: number): number
  /** Of the n-th message of all. */
  tripMs(message: number): number
  ownMb(lane: number): number | null
  toldMb(lane: number): number
}

const PLAIN: Script = { startMs: () => 50, grownMb: () => 10, tripMs: () => 0.02, ownMb: () => null, toldMb: () => 7 }

/** A machine whose lanes take what their script says, and whose every step is written down. */
class Machine {
  readonly clock = new ManualClock()
  readonly steps: string[] = []
  readonly alive: FakeCarrier[] = []
  readonly scripts: Record<LaneKind, Script> = { THREAD: PLAIN, PROCESS: PLAIN }
  residentMb = 200
  started = 0
  messages = 0
  /** Called at each step of a lane: the test may interfere. */
  onStep: (step: string) => void = () => {}

  measurement(maxLanes = 32): Measurement {
    return new Measurement({
      clock: this.clock,
      openSource: (kind) => this.#open(kind),
      maxLanes,
      residentMb: () => this.residentMb,
    })
  }

  step(step: string): void {
    this.steps.push(step)
    this.onStep(step)
  }

  count(step: string): number {
    return this.steps.filter((one) => one === step).length
  }

  #open(kind: LaneKind): CarrierSource {
    this.step(`open ${kind}`)
    this.started = 0
    return {
      start: (listener) => {
        this.step(`start ${kind}`)
        this.started += 1
        const carrier = new FakeCarrier(this, { script: this.scripts[kind], number: this.started, listener })
        this.alive.push(carrier)
        return carrier
      },
      close: async () => this.step(`close ${kind} with ${this.alive.length} alive`),
    }
  }
}

class FakeCarrier implements Carrier {
  readonly slate = { prepare: () => null, read: () => [], close: () => {} }

  constructor(
    private readonly machine: Machine,
    private readonly is: { script: Script; number: number; listener: CarrierListener },
  ) {
    queueMicrotask(() => {
      machine.clock.advance(is.script.startMs(is.number))
      machine.residentMb += is.script.grownMb(is.number)
      this.#tell(() => is.listener.onMessage({ kind: 'ready', id: is.number }), 'ready')
    })
  }

  memoryMb(): null {
    return null
  }

  async ownMemoryMb(): Promise<number | null> {
    return this.is.script.ownMb(this.is.number)
  }

  send({ kind }: ToLane): void {
    const { script, number, listener } = this.is
    queueMicrotask(() => {
      if (kind === 'weigh') {
        this.#tell(() => listener.onMessage({ kind: 'weight', memoryMb: script.toldMb(number) }), 'weight')
        return
      }
      this.machine.messages += 1
      this.machine.clock.advance(script.tripMs(this.machine.messages))
      this.#tell(() => listener.onMessage({ kind: 'alive' }), 'alive')
    })
  }

  end(): void {
    this.die('was ended')
  }

  die(message: string): void {
    const place = this.machine.alive.indexOf(this)
    if (place < 0) return
    this.machine.alive.splice(place, 1)
    queueMicrotask(() => this.is.listener.onEnd({ outOfMemory: false, message }))
  }

  /** Nobody hears of one that has ended. */
  #tell(tell: () => void, step: string): void {
    this.machine.step(step)
    if (this.machine.alive.includes(this)) tell()
  }
}

describe('Measurement', () => {
  it('takes the median of fresh lanes, and ends them', async () => {
    const machine = new Machine()
    const starts = [400, 48, 52, 49, 700]
    machine.scripts.THREAD = { ...PLAIN, startMs: (lane) => starts[lane - 1] ?? 0 }
    machine.scripts.PROCESS = {
      ...PLAIN,
      startMs: (lane) => 100 + lane,
      tripMs: () => 0.045,
      ownMb: (lane) => 17 + lane,
    }
    const { THREAD, PROCESS } = await machine.measurement().run()
    expect(THREAD).toEqual({ startMs: 52, roundTripUs: expect.closeTo(20), memoryMb: 10 })
    expect(PROCESS).toEqual({ startMs: 103, roundTripUs: expect.closeTo(45), memoryMb: 20 })
    expect(machine.alive).toEqual([])
  })

  it('goes one step at a time, and measures processes when no thread is left', async () => {
    const machine = new Machine()
    await machine.measurement().run()
    const ofKind = (kind: LaneKind) => [
      `open ${kind}`,
      ...Array.from({ length: MEASURED_LANES }, () => [`start ${kind}`, 'ready']).flat(),
      ...Array.from({ length: 300 }, () => 'alive'),
      ...Array.from({ length: MEASURED_LANES }, () => 'weight'),
      `close ${kind} with 0 alive`,
    ]
    expect(machine.steps).toEqual([...ofKind('THREAD'), ...ofKind('PROCESS')])
  })

  it('starts no more at once than there may be', async () => {
    const machine = new Machine()
    await machine.measurement(1).run()
    expect([machine.count('start THREAD'), machine.count('start PROCESS')]).toEqual([1, 1])
    const other = new Machine()
    await other.measurement(3).run()
    expect([other.count('start THREAD'), other.count('start PROCESS')]).toEqual([3, 3])
  })

  it('leaves a busy machine alone sooner', async () => {
    const machine = new Machine()
    machine.scripts.THREAD = { ...PLAIN, startMs: () => 600, tripMs: () => 100 }
    machine.scripts.PROCESS = { ...PLAIN, startMs: () => 3_000, tripMs: () => 700 }
    const { THREAD, PROCESS } = await machine.measurement().run()
    expect([machine.count('start THREAD'), machine.count('start PROCESS')]).toEqual([2, 1])
    // Five of 100 ms, and one of 700.
    expect(machine.count('alive')).toBe(5 + 1)
    expect([THREAD.startMs, THREAD.roundTripUs]).toEqual([600, expect.closeTo(100_000)])
    expect([PROCESS.startMs, PROCESS.roundTripUs]).toEqual([3_000, expect.closeTo(700_000)])
  })

  describe('of memory', () => {
    const memoryOf = async (script: Partial<Script>) => {
      const machine = new Machine()
      machine.scripts.THREAD = { ...PLAIN, ...script }
      return (await machine.measurement().run()).THREAD.memoryMb
    }

    it('leaves out what others took or gave back meanwhile', async () => {
      const grown = [10, 250, 11, -180, 12]
      expect(await memoryOf({ grownMb: (lane) => grown[lane - 1] ?? 0 })).toBe(11)
    })

    it('is never less than what the lane knows to have', async () => {
      expect(await memoryOf({ grownMb: () => -3 })).toBe(7)
      expect(await memoryOf({ grownMb: () => 0, toldMb: (lane) => lane })).toBe(3)
    })

    it('is the lane’s own where the system tells that', async () => {
      expect(await memoryOf({ ownMb: () => 18, toldMb: () => 58 })).toBe(18)
    })
  })

  it.each(['start THREAD', 'ready', 'alive', 'weight'])(
    'ends its lanes when it is stopped at its first “%s”',
    async (at) => {
      const machine = new Machine()
      const measurement = machine.measurement()
      const stopped = new Promise<number>((resolve) => {
        machine.onStep = (step) => {
          if (step !== at) return
          machine.onStep = () => {}
          // Not within the call that starts it: nothing there tells anyone.
          queueMicrotask(() => void measurement.stop().then(() => resolve(machine.alive.length)))
        }
      })
      await expect(measurement.run()).rejects.toThrow(/was ended|not to be measured/)
      expect(await stopped).toBe(0)
      expect(machine.steps.at(-1)).toBe('close THREAD with 0 alive')
      expect(machine.count('open PROCESS')).toBe(0)
    },
  )

  it('does not go on to processes when it is stopped between the two', async () => {
    const machine = new Machine()
    const measurement = machine.measurement()
    machine.onStep = (step) => {
      if (step.startsWith('close THREAD')) void measurement.stop()
    }
    await expect(measurement.run()).rejects.toThrow('not to be measured any more')
    expect(machine.count('start PROCESS')).toBe(0)
    expect(machine.steps.at(-1)).toBe('close PROCESS with 0 alive')
  })

  it.each(['ready', 'alive', 'weight'])('fails where a lane dies at “%s”, and ends the others', async (at) => {
    const machine = new Machine()
    machine.onStep = (step) => {
      if (step === at) machine.alive[0]?.die('exited with code 1')
    }
    await expect(machine.measurement().run()).rejects.toThrow('a lane that was to be measured exited with code 1')
    expect(machine.alive).toEqual([])
  })

  it('hears of a death also where it asks later', async () => {
    const machine = new Machine()
    machine.scripts.THREAD = {
      ...PLAIN,
      // It has ended when it is asked the next thing.
      ownMb: (lane) => {
        if (lane === 2) machine.alive.find((carrier) => carrier !== machine.alive[0])?.die('was ended by SIGKILL')
        return null
      },
    }
    await expect(machine.measurement().run()).rejects.toThrow('was ended by SIGKILL')
    expect(machine.alive).toEqual([])
  })

  it('is one, whoever asks for it', async () => {
    const machine = new Machine()
    const measurement = machine.measurement()
    const [one, other] = await Promise.all([measurement.run(), measurement.run()])
    expect(one).toBe(other)
    expect(machine.count('open THREAD')).toBe(1)
    await measurement.stop()
    expect(await measurement.run()).toBe(one)
  })
})
