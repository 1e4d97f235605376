import { describe, expect, it } from 'vitest'
import { verdictOn } from '../../../src/lanes/verdict.js'

const codeOf = (value: unknown, maxOutputBytes = 100) => verdictOn(value, maxOutputBytes).error?.code ?? null

describe('verdictOn', () => {
  it('takes the output of as many bytes as it may have, and none of more', () => {
    expect([codeOf('x'.repeat(98)), codeOf('x'.repeat(99))]).toEqual([null, 'OUTPUT_TOO_LARGE'])
    expect([codeOf(Array(49).fill(1)), codeOf(Array(50).fill(1))]).toEqual([null, 'OUTPUT_TOO_LARGE'])
    expect(codeOf(Array(51).fill(1))).toBe('OUTPUT_TOO_LARGE')
    expect(codeOf('ß'.repeat(50))).toBe('OUTPUT_TOO_LARGE')
  })

  it('makes no text of what is too large at a glance', () => {
    const unread = Object.defineProperty(Array(1_000).fill(1), 0, {
      get: () => {
        throw new Error('it was read')
      },
    })
    expect(codeOf(unread)).toBe('OUTPUT_TOO_LARGE')
    expect(codeOf(Buffer.alloc(64 * 1024 * 1024), 1024 * 1024)).toBe('OUTPUT_TOO_LARGE')
  })

  it('goes by what a list says of itself in JSON, where it does', () => {
    const list = Object.assign(Array(1_000).fill(1), { toJSON: () => 'short' })
    expect(verdictOn(list, 100)).toMatchObject({ error: null, output: '"short"' })
  })

  it.each([
    ['is hostile', Proxy.revocable([], {})],
    ['holds NaN', { value: Number.NaN }],
  ])('never throws, whatever %s', (_what, value) => {
    if ('revoke' in value) value.revoke()
    expect(codeOf('proxy' in value ? value.proxy : value)).toBe('FUNCTION_ERROR')
  })
})
