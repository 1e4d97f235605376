import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cellsOf,
  type LaneSpan,
  type LaneTimeline,
  lanesPicture,
  spansBySlot,
} from '../../../src/demo/lanes-picture.js'

const span = (startMs: number, endMs: number, more: Partial<LaneSpan> = {}): LaneSpan => ({
  startMs,
  endMs,
  status: 'SUCCEEDED',
  tasks: 1,
  ...more,
})
const lane = (name: string, busyFraction: number, ...spans: LaneSpan[]): LaneTimeline => ({
  lane: name,
  busyFraction,
  spans,
})

/** The drawing as its lines, so that each character counts. */
const drawn = (...args: Parameters<typeof lanesPicture>) => lanesPicture(...args).split('\n')

describe('lanesPicture', () => {
  it('draws a row a lane over an axis, and says how busy each was', () => {
    const lanes = [
      lane('thread-1', 0.9167, span(0, 700), span(800, 1_200)),
      lane('thread-2', 1, span(0, 600), span(600, 1_200)),
    ]
    expect(drawn(lanes, { columns: 24 })).toEqual([
      'thread-1  ██████████████░░████████   92 %',
      'thread-2  ████████████████████████  100 %',
      '          0 s               1.20 s',
    ])
  })

  it('is 60 cells wide where nothing else is said, whatever the names are', () => {
    const [row, other, axis] = drawn([lane('a', 0.5, span(0, 30)), lane('process-10', 0.5, span(30, 60))])
    expect(row).toBe(`a           ${'█'.repeat(30)}${'░'.repeat(30)}   50 %`)
    expect(other).toBe(`process-10  ${'░'.repeat(30)}${'█'.repeat(30)}   50 %`)
    expect(axis).toBe(`            0 s${' '.repeat(52)}60 ms`)
  })

  it('begins with the first start, whenever that was', () => {
    expect(drawn([lane('thread-1', 0.5, span(5_000, 5_500), span(5_900, 6_000))], { columns: 10 })).toEqual([
      'thread-1  █████░░░░█   50 %',
      '          0 s 1.00 s',
    ])
  })

  it('draws a run to the scale of another', () => {
    expect(drawn([lane('thread-1', 1, span(0, 1_000))], { columns: 10, wallMs: 5_000 })).toEqual([
      'thread-1  ██░░░░░░░░  100 %',
      '          0 s 5.00 s',
    ])
    expect(drawn([lane('thread-1', 1, span(0, 9_000, { status: 'FAILED' }))], { columns: 10, wallMs: 5_000 })[0]).toBe(
      'thread-1  ██████████  100 %',
    )
  })

  it('marks where a task failed, and says what the mark means', () => {
    const lanes = [lane('thread-1', 1, span(0, 400, { status: 'FAILED', tasks: 7 }), span(400, 1_000))]
    expect(drawn(lanes, { columns: 10 })).toEqual([
      'thread-1  ███×██████  100 %',
      '          0 s 1.00 s',
      '× a task failed',
    ])
  })

  it('does not mark what was cancelled', () => {
    expect(drawn([lane('thread-1', 1, span(0, 10, { status: 'CANCELLED' }))], { columns: 4 })).toHaveLength(2)
  })

  it('has something to say where nothing has run', () => {
    expect(lanesPicture([])).toBe('nothing has run')
    expect(lanesPicture([lane('thread-1', 0)])).toBe('nothing has run')
  })

  it('draws what took no time at all', () => {
    expect(drawn([lane('thread-1', 0, span(3, 3, { status: 'FAILED' }))], { columns: 4 })).toEqual([
      'thread-1  ×███    0 %',
      '          0 s 0.0 ms',
      '× a task failed',
    ])
  })
})

describe('a cell', () => {
  const cells = (...spans: LaneSpan[]) => cellsOf(spans, { fromMs: 0, cellMs: 100, columns: 5 })

  it('is busy, idle, or partly so', () => {
    expect(cells(span(0, 100), span(150, 160), span(300, 395))).toBe('█▒░█░')
  })

  it('takes in what is too short to see, and leaves out no task that could be seen', () => {
    expect(cells(span(0, 90))).toBe('█░░░░')
    expect(cells(span(0, 89))).toBe('▒░░░░')
    expect(cells(span(0, 1))).toBe('▒░░░░')
    expect(cells(span(0, 0.9))).toBe('░░░░░')
    // Of many the time counts, not how many they are.
    expect(cells(...Array.from({ length: 50 }, (_, at) => span(2 * at, 2 * at + 1.9)))).toBe('█░░░░')
  })

  it('counts once what several had in service', () => {
    expect(cells(span(0, 50), span(0, 50), span(20, 50))).toBe('▒░░░░')
    expect(cells(span(0, 450), span(100, 200), span(450, 500))).toBe('█████')
  })

  it('of a span that ends at its border has the mark of it', () => {
    expect(cells(span(0, 300, { status: 'FAILED' }))).toBe('██×░░')
    expect(cellsOf([span(0, 0.3, { status: 'FAILED' })], { fromMs: 0, cellMs: 0.1, columns: 5 })).toBe('██×░░')
  })

  it('is never more than busy, and all of them together as busy as the spans', () => {
    const spans = fc.array(
      fc.tuple(fc.double({ noNaN: true, min: 0, max: 500 }), fc.double({ noNaN: true, min: 0, max: 200 })),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(spans, (pairs) => {
        const row = cells(...pairs.map(([startMs, lengthMs]) => span(startMs, startMs + lengthMs)))
        expect(row).toMatch(/^[░▒█]{5}$/)
        for (const [cell, character] of [...row].entries()) {
          const [fromMs, toMs] = [cell * 100, cell * 100 + 100]
          const isTouched = pairs.some(([startMs, lengthMs]) => startMs < toMs && startMs + lengthMs > fromMs)
          const isFilled = pairs.some(([startMs, lengthMs]) => startMs <= fromMs && startMs + lengthMs >= toMs)
          if (!isTouched) expect(character).toBe('░')
          if (isFilled) expect(character).toBe('█')
        }
      }),
    )
  })
})

describe('slots', () => {
  const five = [0, 1, 2, 3, 4].map((at) => span(at, 1_000 - 100 * at))

  it('are rows of their own for tasks that one lane had in service together', () => {
    expect(drawn([lane('thread-1', 1, ...five)], { columns: 20, slots: 5 })).toEqual([
      'thread-1  ████████████████████  100 %',
      '  Task A  ████████████████████',
      '  Task B  ██████████████████░░',
      '  Task C  ████████████████░░░░',
      '  Task D  ██████████████░░░░░░',
      '  Task E  ████████████░░░░░░░░',
      '          0 s           1.00 s',
    ])
  })

  it('beyond a handful are summed up', () => {
    expect(drawn([lane('thread-1', 1, ...five)], { columns: 20, slots: 3 })).toEqual([
      'thread-1  ████████████████████  100 %',
      '  Task A  ████████████████████',
      '  Task B  ██████████████████░░',
      '  3 more  ████████████████░░░░',
      '          0 s           1.00 s',
    ])
    expect(drawn([lane('thread-1', 1, ...five)], { columns: 20, slots: 1 })[1]).toBe('  5 more  ████████████████████')
  })

  it('are no tasks where one takes the other’s place, or stands for several', () => {
    const turns = [span(0, 500), span(0, 400), span(500, 1_000), span(600, 1_000)]
    expect(drawn([lane('thread-1', 1, ...turns)], { columns: 10, slots: 5 }).slice(1, 3)).toEqual([
      '  slot 1  ██████████',
      '  slot 2  ████░░████',
    ])
    const folded = [span(0, 500, { tasks: 8 }), span(0, 500)]
    expect(drawn([lane('thread-1', 1, ...folded)], { columns: 4, slots: 5 })[1]).toBe('  slot 1  ████')
  })

  it('are shown for no lane that had one task at a time, nor where nobody asked', () => {
    // Two clocks: the next one seems to start a little before the end of the last one.
    const one = lane('thread-2', 1, span(0, 500), span(499.9, 1_000))
    expect(drawn([one], { columns: 10, slots: 5 })).toHaveLength(2)
    expect(drawn([lane('thread-1', 1, ...five)], { columns: 10 })).toHaveLength(2)
  })

  it('are marked, too', () => {
    const failed = [span(0, 1_000), span(0, 500, { status: 'FAILED' })]
    expect(drawn([lane('thread-1', 1, ...failed)], { columns: 10, slots: 5 })).toEqual([
      'thread-1  ████×█████  100 %',
      '  Task A  ██████████',
      '  Task B  ████×░░░░░',
      '          0 s 1.00 s',
      '× a task failed',
    ])
  })
})

describe('spansBySlot', () => {
  it('has no two spans of a slot at the same time, and as few slots as that takes', () => {
    const spans = fc.array(fc.tuple(fc.nat(50), fc.nat(20)), { maxLength: 40 })
    fc.assert(
      fc.property(spans, (pairs) => {
        const all = pairs.map(([startMs, lengthMs]) => span(startMs, startMs + lengthMs + 1))
        const slots = spansBySlot(all)
        for (const slot of slots)
          for (const [at, { startMs }] of slot.entries())
            if (at > 0) expect(startMs).toBeGreaterThanOrEqual(slot[at - 1]!.endMs)
        const most = Math.max(
          0,
          ...all.map(({ startMs }) => all.filter((one) => one.startMs <= startMs && one.endMs > startMs).length),
        )
        expect(slots).toHaveLength(most)
        expect(slots.flat()).toHaveLength(all.length)
      }),
    )
  })
})
