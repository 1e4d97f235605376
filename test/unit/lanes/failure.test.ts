import { describe, expect, it } from 'vitest'
import { TaskFailure } from '../../../src/domain/errors.js'
import { invalidInput, toTaskError } from '../../../src/lanes/failure.js'

class OddError extends Error {
  override readonly name = 'OddError'
}

describe('toTaskError', () => {
  it.each([
    [new Error('plain'), 'plain'],
    [new Error(), 'Error'],
    [new TypeError('x is not a function'), 'TypeError: x is not a function'],
    [new OddError(), 'OddError'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [{ status: 5, deep: { er: { est: {} } } }, '{ status: 5, deep: { er: { est: {} } } }'],
    [Symbol('odd'), 'Symbol(odd)'],
  ])('tells %o as %s', (thrown, message) => {
    expect(toTaskError(thrown)).toEqual({ code: 'FUNCTION_ERROR', message, retryable: false })
  })

  it('survives what cannot be read', () => {
    const hostile = new Proxy(new Error('hidden'), {
      get() {
        throw new Error('hands off')
      },
    })
    const message = 'the function threw something that cannot be read'
    expect(toTaskError(hostile)).toEqual({ code: 'FUNCTION_ERROR', message, retryable: false })
  })

  it('believes an error that says it can be retried, and no other', () => {
    expect(toTaskError(Object.assign(new Error('busy'), { retryable: true })).retryable).toBe(true)
    expect(toTaskError({ retryable: true }).retryable).toBe(true)
    expect(toTaskError(Object.assign(new Error('busy'), { retryable: 'yes' })).retryable).toBe(false)
  })

  it('keeps the code of what is a task failure already', () => {
    const failure = new TaskFailure('INVALID_INPUT', 'no such thing')
    expect(toTaskError(failure)).toEqual({ code: 'INVALID_INPUT', message: 'no such thing', retryable: false })
  })

  it('cuts messages that would fill the database', () => {
    expect(toTaskError(new Error('x'.repeat(1e6))).message).toHaveLength(2_001)
  })
})

describe('invalidInput', () => {
  it('names each place', () => {
    const problems = [
      { path: [], message: 'must be object' },
      { path: ['a', 0], message: 'must be number' },
    ]
    expect(invalidInput(problems).message).toBe('input must be object; input.a.0 must be number')
  })
})
