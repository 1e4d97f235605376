import { describe, expect, it } from 'vitest'
import { TaskContext } from '../../../src/lanes/context.js'

const reason = () => new DOMException('the run has ended', 'AbortError')

describe('TaskContext', () => {
  it('aborts the signal that was asked for', () => {
    const context = new TaskContext(1, 2, null)
    const { signal } = context
    expect(signal.aborted).toBe(false)
    expect(context.signal).toBe(signal)
    const given = reason()
    TaskContext.abort(context, given)
    expect(signal.reason).toBe(given)
  })

  it('gives an aborted signal to those who ask late', () => {
    const context = new TaskContext(1, 1, null)
    TaskContext.abort(context, reason())
    expect(context.signal.aborted).toBe(true)
  })

  it('makes no controller that nobody asks for, and uses a spare one', () => {
    expect(TaskContext.spareOf(new TaskContext(1, 1, null))).toBeNull()
    const first = new TaskContext(1, 1, null)
    const { signal } = first
    const second = new TaskContext(2, 1, TaskContext.spareOf(first))
    expect(second.signal).toBe(signal)
  })

  it('shows functions no more than its contract', () => {
    const context = new TaskContext(3, 1, null)
    expect(Object.keys(context)).toEqual(['index', 'attempt'])
    expect(Object.getOwnPropertyNames(Object.getPrototypeOf(context))).toEqual(['constructor', 'signal'])
  })
})
