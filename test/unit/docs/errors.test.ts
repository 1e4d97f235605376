import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isRetryableStatus, TaskErrorCode } from '../../../src/domain/errors.js'
import { UserErrorCode } from '../../../src/domain/problems.js'
import { isRetryable } from '../../../src/domain/retry.js'
import type { StageKind } from '../../../src/domain/strategy.js'
import { ApiErrorCode } from '../../../src/graphql/errors.js'
import { rowsUnder } from '../../support/markdown.js'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

describe('docs/errors.md', () => {
  it.each([
    ['Task errors', TaskErrorCode],
    ['User errors', UserErrorCode],
    ['Top-level errors', ApiErrorCode],
  ])('has each code of the catalogue once, and no other: %s', (heading, catalogue) => {
    expect(rowsUnder(page, heading).map(([code]) => code)).toEqual(
      Object.values(catalogue).map((code) => `\`${code}\``),
    )
  })

  it('says something in every cell', () => {
    for (const heading of ['Task errors', 'User errors', 'Top-level errors']) {
      for (const row of rowsUnder(page, heading)) for (const cell of row) expect(cell, row.join(' | ')).not.toBe('')
    }
  })

  it('says of each task error truly whether it is retried', () => {
    const retried = new Map(rowsUnder(page, 'Task errors').map(([code = '', , column = '']) => [code, column]))
    const isRetried = (code: TaskErrorCode, kind: StageKind) =>
      isRetryable({ code, message: '', retryable: false }, { kind, method: 'GET', unsafe: false })
    for (const code of Object.values(TaskErrorCode)) {
      const kinds = [isRetried(code, 'FETCH') ? 'fetches' : '', isRetried(code, 'COMPUTE') ? 'computes' : '']
      const expected = kinds.filter(Boolean).join(', ') || 'no'
      const column = retried.get(`\`${code}\``)
      // These depend on more than their code.
      if (code === 'HTTP_STATUS') expect(column).toMatch(/^fetches: /)
      else if (code === 'BODY_NOT_STORED') expect(column).toBe('fetches, where the disk is full')
      else if (code === 'FUNCTION_ERROR') expect(column).toBe('computes, where the thrown error has `retryable: true`')
      else expect(column, code).toBe(expected)
    }
  })

  it('names the statuses that are retried', () => {
    const [, , column = ''] = rowsUnder(page, 'Task errors').find(([code]) => code === '`HTTP_STATUS`') ?? []
    const statuses = Array.from({ length: 500 }, (_, at) => 100 + at)
    expect(Array.from(column.matchAll(/\d+/g), ([status]) => Number(status))).toEqual(
      statuses.filter(isRetryableStatus),
    )
  })
})
