import { GraphQLError, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../../src/domain/storage.js'
import {
  apiError,
  badUserInput,
  costLimit,
  type ErrorPolicy,
  toApiError,
  toPublicError,
  toPublicResult,
} from '../../../src/graphql/errors.js'
import { schema } from '../../../src/graphql/schema.js'
import { createLog } from '../../../src/log.js'

function policy(suggestions = true): ErrorPolicy & { logged: string[] } {
  const logged: string[] = []
  const log = createLog({ level: 'info', pretty: false, destination: { write: (line) => logged.push(line) } })
  return { log, suggestions, logged }
}

/** What GraphQL makes of an error that a resolver threw. */
function located(originalError: Error): GraphQLError {
  return new GraphQLError(originalError.message, { path: ['run', 'tasks'], originalError })
}

describe('toApiError', () => {
  it('leaves errors with a code of ours as they are, and changes nothing the second time', () => {
    const error = located(badUserInput('first: -1 is out of range'))
    expect(toApiError(error, policy())).toBe(error)
    expect(error.extensions.code).toBe('BAD_USER_INPUT')
    const masked = toApiError(new Error('secret'), policy())
    expect(toApiError(masked, policy())).toBe(masked)
  })

  it('shortens what echoes a long input, and keeps what is told of it', () => {
    const long = 'x'.repeat(10_000)
    const message = `Variable "$n" got invalid value "${long}"; Int cannot represent "${long}"`
    const error = toApiError(new GraphQLError(message), policy())
    expect(error.message).toBe(
      `Variable "$n" got invalid value "${'x'.repeat(59)}…"; Int cannot represent "${'x'.repeat(59)}…"`,
    )
    expect(error.extensions.code).toBe('BAD_USER_INPUT')
    expect(toApiError(error, policy())).toBe(error)
    expect(toApiError(badUserInput(long), policy()).message).toBe(`${'x'.repeat(499)}…`)
    expect(toApiError(located(badUserInput(long)), policy()).path).toEqual(['run', 'tasks'])
    const usual = badUserInput(`"${'x'.repeat(400)}"`)
    expect(toApiError(usual, policy())).toBe(usual)
  })

  it('tells what a limit was, and how much was asked for', () => {
    const error = toApiError(costLimit('The operation costs 100,001', 100_001, 100_000), policy())
    expect(toPublicError(error, policy())).toEqual({
      message: 'The operation costs 100,001: 100,000 at most',
      extensions: { code: 'COST_LIMIT', requested: 100_001, limit: 100_000 },
    })
    expect(costLimit('Too many', null, 5).extensions).toMatchObject({ code: 'COST_LIMIT', limit: 5 })
  })

  it('tells a hundred errors of an answer, and how many more there are', () => {
    const errors = Array.from({ length: 5000 }, (_, at) => located(badUserInput(`no ${at}`)))
    const told = toPublicResult({ data: null, errors }, policy()).errors ?? []
    expect(told).toHaveLength(101)
    expect(told[99]?.message).toBe('no 99')
    expect(told[100]).toMatchObject({
      message: '4900 more errors are left out',
      extensions: { code: 'BAD_USER_INPUT' },
    })
    const few = toPublicResult({ data: null, errors: errors.slice(0, 101) }, policy()).errors ?? []
    expect(few.map(({ message }) => message)).toEqual(errors.slice(0, 101).map(({ message }) => message))
  })

  it('hides faults of the server, and logs them under an id', () => {
    const { logged, ...rest } = policy()
    const error = toApiError(located(new Error('SQLITE_FULL at /data')), rest)
    expect(error.message).toBe('Internal error')
    expect(error.path).toEqual(['run', 'tasks'])
    const line = JSON.parse(logged[0] ?? '{}')
    expect(error.extensions).toEqual({ code: 'INTERNAL', errorId: line.errorId })
    expect(line).toMatchObject({ level: 'error', path: 'run.tasks', err: { message: 'SQLITE_FULL at /data' } })
  })

  it('says that nothing can be written, when to ask again, and not where', () => {
    const { logged, ...rest } = policy()
    const thrown = new StorageError('FULL', 'the disk is full: /data/heddle.db')
    const error = toApiError(located(thrown), rest)
    expect(error.toJSON()).toEqual({
      message: "The server's disk is full: nothing can be written down until there is room",
      path: ['run', 'tasks'],
      extensions: { code: 'STORAGE_FULL', retryAfterMs: 5_000 },
    })
    expect(toApiError(error, rest)).toBe(error)
    expect(toApiError(new StorageError('BUSY', 'locked'), rest).extensions).toEqual({
      code: 'STORAGE_BUSY',
      retryAfterMs: 1_000,
      http: { status: 503 },
    })
    // The engine has said it already.
    expect(logged).toEqual([])
    expect(toApiError(new StorageError('FAILED', 'EIO'), rest).extensions.code).toBe('INTERNAL')
  })

  it('hides what is thrown and is no error', () => {
    expect(toApiError('text', policy()).message).toBe('Internal error')
    expect(toApiError(undefined, policy()).extensions).toMatchObject({ code: 'INTERNAL' })
  })

  it('takes errors without a path for the fault of the client, and keeps what HTTP needs', () => {
    const error = new GraphQLError('Syntax Error', { extensions: { code: 'X', http: { status: 400, spec: true } } })
    expect(toApiError(error, policy()).extensions).toEqual({
      code: 'BAD_USER_INPUT',
      http: { status: 400, spec: true },
    })
  })

  it('tells an argument of the wrong type from an output that cannot be serialized', () => {
    const [node] = parse('{ functions { name } }').definitions
    const argument = located(new GraphQLError('Argument "id" …', { nodes: node ?? null }))
    expect(toApiError(argument, policy()).extensions.code).toBe('BAD_USER_INPUT')
    const output = located(new GraphQLError('Int cannot represent 1e10'))
    expect(toApiError(output, policy()).extensions.code).toBe('INTERNAL')
  })

  it('leaves out suggestions where they are not wanted', () => {
    const [error] = validate(schema, parse('{ functons { name } }'))
    expect(toApiError(error, policy()).message).toContain('Did you mean "functions"?')
    const hidden = toApiError(error, policy(false))
    expect(hidden.message).toBe('Cannot query field "functons" on type "Query".')
    expect(toApiError(hidden, policy(false))).toBe(hidden)
  })
})

describe('what is sent', () => {
  it('has no hints for HTTP', () => {
    const error = toPublicError(apiError('BAD_USER_INPUT', 'too large', 413), policy())
    expect(error).toEqual({ message: 'too large', extensions: { code: 'BAD_USER_INPUT' } })
  })

  it('has no empty list of errors', () => {
    expect(toPublicResult({ data: { a: 1 }, errors: [] }, policy())).toEqual({ data: { a: 1 } })
    expect(toPublicResult({ data: null, errors: [badUserInput('no')] }, policy())).toMatchObject({
      data: null,
      errors: [{ message: 'no' }],
    })
  })
})
