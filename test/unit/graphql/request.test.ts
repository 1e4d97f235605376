import { describe, expect, it } from 'vitest'
import type { Json, StageSpec } from '../../../src/domain/batch.js'
import { requestOf } from '../../../src/graphql/request.js'
import { batchSpec } from '../../support/fake-runs.js'

const FETCH: Extract<StageSpec, { kind: 'FETCH' }> = {
  kind: 'FETCH',
  name: 'fetch',
  fetch: {
    bodyPolicy: 'TEXT',
    maxBytes: 100,
    maxRedirects: 5,
    headers: [
      { name: 'authorization', value: 'Bearer x' },
      { name: 'accept', value: 'text/html' },
    ],
    okStatuses: null,
  },
}

describe('requestOf', () => {
  it('tells a compute batch in the shape of its launch, defaults filled in', () => {
    expect(requestOf(batchSpec({ name: 'squares', labels: [{ name: 'a', value: 'b' }], lanes: 2 }))).toEqual({
      function: 'square',
      source: { range: { from: 0, to: 10, step: 1, count: 10 } },
      chunkSize: null,
      reduce: null,
      options: {
        name: 'squares',
        labels: [{ name: 'a', value: 'b' }],
        priority: 0,
        strategy: 'AUTO',
        concurrency: null,
        lanes: 2,
        failFast: false,
        retry: { maxAttempts: 3, backoffMs: 200, maxBackoffMs: 10_000, unsafe: false },
        timeoutMs: null,
        budget: null,
      },
    })
  })

  it('tells the budget with what it leaves open', () => {
    const budget = { wallMs: 1000, serviceP95Ms: null, failureRate: 0 }
    expect(requestOf(batchSpec({ budget }))).toMatchObject({ options: { budget } })
  })

  it('tells a launch that is older than an option as one without it', () => {
    const source = { kind: 'list', form: 'urls', count: 1 } as const
    const fetch = { perHostConcurrency: null, perHostRate: null, dedupe: false }
    expect(requestOf(batchSpec({ kind: 'FETCH', source, stages: [FETCH] }))).toMatchObject({ fetch })
    const limited = { ...FETCH, fetch: { ...FETCH.fetch, perHostRate: 2 } }
    expect(requestOf(batchSpec({ kind: 'FETCH', source, stages: [limited] }))).toMatchObject({
      fetch: { ...fetch, perHostRate: 2 },
    })
  })

  it('tells a list by its count', () => {
    const source = { kind: 'list', form: 'urls', count: 300 } as const
    expect(requestOf(batchSpec({ kind: 'FETCH', source, stages: [FETCH] }))).toMatchObject({ source: { urls: 300 } })
  })

  it('tells a file by what it is', () => {
    const file = { name: 'a.jsonl', bytes: 12, sha256: 'ab'.repeat(32), count: 3 }
    const source = { kind: 'file', form: 'inputs', ...file } as const
    expect(requestOf(batchSpec({ source }))).toMatchObject({ source: { file } })
  })

  it('tells a template as it was asked for, without its secrets', () => {
    const source = {
      kind: 'template',
      template: 'https://u:p@a.example/{i}',
      from: 1,
      to: 12,
      step: 3,
      count: 4,
    } as const
    expect(requestOf(batchSpec({ kind: 'FETCH', source, stages: [FETCH] }))).toMatchObject({
      source: { template: { template: 'https://***@a.example/{i}', from: 1, to: 12, step: 3, count: 4 } },
      fetch: {
        bodyPolicy: 'TEXT',
        headers: [
          { name: 'authorization', value: '***' },
          { name: 'accept', value: 'text/html' },
        ],
      },
    })
  })

  it('tells a pipeline in the shape of its launch, each stage with what it was filled in with', () => {
    const stages: StageSpec[] = [
      { ...FETCH, name: 'pages', from: '', strategy: 'ASYNC', concurrency: 8 },
      {
        kind: 'COMPUTE',
        name: 'words',
        function: 'wordFrequencies',
        chunkSize: null,
        reduce: null,
        from: '/text',
        strategy: 'THREADS',
        concurrency: null,
      },
    ]
    const source = { kind: 'list', form: 'urls', count: 3 } as const
    const request = requestOf(batchSpec({ kind: 'PIPELINE', source, stages, lanes: 2 })) as { [key: string]: Json }
    expect(Object.keys(request)).toEqual(['source', 'stages', 'options'])
    expect(request).toMatchObject({ source: { urls: 3 }, options: { lanes: 2, strategy: 'AUTO' } })
    expect(request.stages).toEqual([
      {
        fetch: {
          name: 'pages',
          fetch: {
            ...FETCH.fetch,
            headers: [
              { name: 'authorization', value: '***' },
              { name: 'accept', value: 'text/html' },
            ],
            perHostConcurrency: null,
            perHostRate: null,
            dedupe: false,
          },
          urlFrom: '',
          concurrency: 8,
          strategy: 'ASYNC',
        },
      },
      {
        compute: {
          name: 'words',
          function: 'wordFrequencies',
          inputFrom: '/text',
          concurrency: null,
          strategy: 'THREADS',
        },
      },
    ])
  })
})
