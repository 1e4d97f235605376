import { describe, expect, it } from 'vitest'
import { Problems } from '../../../src/domain/problems.js'

function problems(count: number, unnamed = 0): Problems {
  const gathered = new Problems()
  for (let at = 0; at < count; at += 1) gathered.add('INVALID', ['input', at], `problem ${at}`)
  gathered.addUnnamed(unnamed)
  return gathered
}

describe('Problems', () => {
  it('are told all where they are a hundred or fewer, each with the way to its value', () => {
    expect(problems(0).list()).toEqual([])
    const list = problems(100).list()
    expect(list).toHaveLength(100)
    expect(list[99]).toEqual({ code: 'INVALID', message: 'problem 99', field: ['input', '99'], retryAfterMs: null })
  })

  it('are counted where they are more', () => {
    const list = problems(150).list()
    expect(list).toHaveLength(100)
    expect(list[98]?.message).toBe('problem 98')
    expect(list[99]).toEqual({ code: 'INVALID', message: 'and 51 more problems', field: null, retryAfterMs: null })
  })

  it('are counted where nothing is known of them but their number', () => {
    expect(problems(100, 1_000).list().at(-1)?.message).toBe('and 1001 more problems')
    expect(problems(2, 3)).toMatchObject({ count: 5 })
    expect(
      problems(2, 3)
        .list()
        .map(({ message }) => message),
    ).toEqual(['problem 0', 'problem 1', 'and 3 more problems'])
    expect(problems(2, 0).list()).toHaveLength(2)
  })
})
