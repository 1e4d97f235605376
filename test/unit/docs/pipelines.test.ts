import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FETCH_TIMEOUT_MS } from '../../../src/domain/batch.js'
import { FLOW, GATED_FLOW, MOST_CHARS } from '../../../src/engine/flow.js'
import { blocksOf, rowsUnder } from '../../support/markdown.js'

const page = readFileSync(new URL('../../../docs/pipelines.md', import.meta.url), 'utf8')
const mebi = (chars: number) => `${chars / 1024 / 1024} Mi`

describe('docs/pipelines.md', () => {
  it('has a pipeline and a query of it', () => {
    const [launch, query] = blocksOf(page, 'graphql')
    expect(launch).toContain('launchPipeline')
    expect(query).toContain('stages {')
  })

  it('says what a stage gets of each kind of stage and body', () => {
    expect(rowsUnder(page, 'What a stage gets').map(([stage]) => stage)).toEqual([
      'a compute',
      'a fetch with `bodyPolicy: JSON`',
      'a fetch with `bodyPolicy: TEXT`',
      'a fetch with `DISCARD` or `STORE`',
    ])
  })

  it('tells the room between stages as it is', () => {
    const [items, chars] = rowsUnder(page, 'How items flow')
    expect(items?.slice(1)).toEqual([
      expect.stringContaining(`${FLOW.items.toLocaleString('en')}, and up to ${FLOW.mostItems.toLocaleString('en')}`),
      GATED_FLOW.items.toLocaleString('en'),
    ])
    expect(chars?.slice(1)).toEqual([
      expect.stringContaining(`${mebi(FLOW.chars)}, and up to ${mebi(MOST_CHARS)}`),
      expect.stringContaining(mebi(GATED_FLOW.chars)),
    ])
  })

  it('tells the time limit of fetches as it is', () => {
    expect(page).toContain(`fetches without a \`timeoutMs\` have ${FETCH_TIMEOUT_MS / 1_000} s`)
  })
})
