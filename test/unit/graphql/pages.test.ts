import { describe, expect, it } from 'vitest'
import { encodeCursor } from '../../../src/domain/cursors.js'
import { pageRequest, sizeWithin, toConnection } from '../../../src/graphql/pages.js'

const FORM = { order: 'INDEX', scope: 'a', length: 2 }
const cursor = (parts = {}) => encodeCursor({ ...FORM, position: [3, 0], ...parts })

describe('pageRequest', () => {
  it('gives 20 where nothing else is asked for', () => {
    expect(pageRequest({}, FORM)).toEqual({ first: 20 })
    expect(pageRequest({ first: null, last: null, after: null, before: null }, FORM)).toEqual({ first: 20 })
  })

  it('reads sizes and cursors', () => {
    expect(pageRequest({ first: 1000, after: cursor() }, FORM)).toEqual({ first: 1000, after: [3, 0] })
    expect(pageRequest({ last: 0, before: cursor() }, FORM)).toEqual({ last: 0, before: [3, 0] })
  })

  it.each([
    [{ first: 1001 }, 'first: 1001 is out of range: expected 0 to 1000'],
    [{ last: 1001 }, 'last: 1001 is out of range: expected 0 to 1000'],
    [{ first: -1 }, 'first: -1 is out of range'],
    [{ last: -1 }, 'last: -1 is out of range'],
    [{ first: 1, last: 1 }, 'first: 1 and last: 1 exclude each other'],
    [{ after: 'nonsense' }, 'after: "nonsense" is no cursor of this list'],
    [{ before: '' }, 'before: "" is no cursor of this list'],
    [{ after: cursor({ order: 'ENDED' }) }, 'expected one that it gave in the order INDEX'],
    [{ after: cursor({ scope: 'b' }) }, 'is no cursor of this list'],
    [{ after: cursor({ position: [3] }) }, 'is no cursor of this list'],
  ])('refuses %j', (args, message) => {
    expect(() => pageRequest(args, FORM)).toThrow(expect.objectContaining({ extensions: { code: 'BAD_USER_INPUT' } }))
    expect(() => pageRequest(args, FORM)).toThrow(message)
  })
})

describe('sizeWithin', () => {
  it('takes the bounds themselves', () => {
    expect([1, 1000].map((size) => sizeWithin('buckets', size, 1000, 1))).toEqual([1, 1000])
    expect(() => sizeWithin('buckets', 0, 1000, 1)).toThrow('buckets: 0 is out of range: expected 1 to 1000')
  })
})

describe('toConnection', () => {
  const count = () => Promise.resolve(7)

  it('gives each node its cursor', () => {
    const rows = [1, 2].map((row) => ({ row, position: [row, 0] }))
    const connection = toConnection({ rows, hasNextPage: true, hasPreviousPage: false }, FORM, {
      node: (row) => row * 10,
      count,
    })
    expect(connection.edges).toEqual([
      { cursor: cursor({ position: [1, 0] }), node: 10 },
      { cursor: cursor({ position: [2, 0] }), node: 20 },
    ])
    expect(connection.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: cursor({ position: [1, 0] }),
      endCursor: cursor({ position: [2, 0] }),
    })
  })

  it('has no cursors where it has no nodes', () => {
    const page = { rows: [], hasNextPage: false, hasPreviousPage: false }
    const { pageInfo } = toConnection(page, FORM, { node: (row: number) => row, count })
    expect(pageInfo).toMatchObject({ startCursor: null, endCursor: null })
  })
})
