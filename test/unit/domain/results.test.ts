import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { detached, outputAt } from '../../../src/domain/results.js'
import { outputColumn } from '../../support/outputs.js'

describe('outputAt', () => {
  it('finds each text of a column, and none where there is none', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ minLength: 1 }))), (texts) => {
        const column = outputColumn(texts)
        expect(texts.map((_, at) => outputAt(column, at))).toEqual(texts)
      }),
    )
    expect(outputAt(null, 3)).toBeNull()
  })
})

describe('detached', () => {
  it('is the same text, halves of characters included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(detached(text)).toBe(text)
      }),
    )
    expect(detached('a\ud83e')).toBe('a\ud83e')
  })
})
