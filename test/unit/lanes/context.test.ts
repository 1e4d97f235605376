import { describe, expect, it } from 'vitest'
import { type Place, TaskContext } from '../../../src/lanes/context.js'
import type { SlateWriter } from '../../../src/lanes/slate.js'

const reason = () => new DOMException('the run has ended', 'AbortError')

/** A slate that keeps what is said of progress. */
function listeningSlate(): { slate: SlateWriter; said: [slot: number, fraction: number][] } {
  const said: [number, number][] = []
  const slate = { mark: () => {}, wipe: () => {}, progress: (...told: [number, number]) => void said.push(told) }
  return { slate, said }
}

function contextOf({ index = 1, attempt = 1, slot = 0, spare = null as AbortController | null } = {}) {
  const { slate, said } = listeningSlate()
  const place: Place = { slate, slot, spare }
  return { context: new TaskContext(index, attempt, place), place, said }
}

describe('TaskContext', () => {
  it('aborts the signal that was asked for', () => {
    const { context } = contextOf()
    const { signal } = context
    expect(signal.aborted).toBe(false)
    expect(context.signal).toBe(signal)
    const given = reason()
    TaskContext.abort(context, given)
    expect(signal.reason).toBe(given)
  })

  it('gives an aborted signal to those who ask late', () => {
    const { context } = contextOf()
    TaskContext.abort(context, reason())
    expect(context.signal.aborted).toBe(true)
  })

  it('makes no controller that nobody asks for, and uses a spare one', () => {
    const { context: silent, place: unused } = contextOf()
    TaskContext.endUnaborted(silent)
    expect(unused.spare).toBeNull()
    const { context: first, place } = contextOf()
    const { signal } = first
    TaskContext.endUnaborted(first)
    expect(new TaskContext(2, 1, place).signal).toBe(signal)
  })

  it('says the progress on its slot, also where it was taken from the context', () => {
    const { context, said } = contextOf({ slot: 3 })
    const { progress } = context
    progress(0)
    progress(0.5)
    context.progress(0.75)
    expect(said).toEqual([
      [3, 0],
      [3, 0.5],
      [3, 0.75],
    ])
    expect(context.progress).toBe(progress)
  })

  it('keeps progress between 0 and 1, and takes no number for nothing said', () => {
    const { context, said } = contextOf()
    for (const fraction of [-1, Number.NaN, 0.5, undefined, '0.7', null, 1.5, 7n, {}, Number.POSITIVE_INFINITY, -0]) {
      context.progress(fraction as number)
    }
    expect(said.map(([, fraction]) => fraction)).toEqual([0, 0.5, 1, 0])
  })

  it('writes no progress that is as good as the last, but always the end', () => {
    const { context, said } = contextOf()
    for (let step = 0; step <= 1_000_000; step += 1) context.progress(step / 1_000_000)
    expect(said.length).toBeGreaterThan(5_000)
    expect(said.length).toBeLessThanOrEqual(10_002)
    expect(said.at(-1)).toEqual([0, 1])
    context.progress(0.99999)
    expect(said.at(-1)).toEqual([0, 1])
    context.progress(0.2)
    expect(said.at(-1)).toEqual([0, 0.2])
  })

  it.each([TaskContext.end, TaskContext.endUnaborted])('says nothing more once its task has ended', (end) => {
    const { context, said } = contextOf()
    const { progress } = context
    progress(0.5)
    end(context)
    progress(0.6)
    context.progress(0.7)
    expect(said).toHaveLength(1)
  })

  it('shows functions no more than its contract', () => {
    const { context } = contextOf({ index: 3 })
    expect(Object.keys(context)).toEqual(['index', 'attempt'])
    expect(Object.getOwnPropertyNames(Object.getPrototypeOf(context))).toEqual(['constructor', 'signal', 'progress'])
  })
})
