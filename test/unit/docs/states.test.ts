import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RUN_TRANSITIONS } from '../../../src/domain/run-states.js'
import { TASK_TRANSITIONS } from '../../../src/domain/task-states.js'

const page = readFileSync(new URL('../../../docs/states.md', import.meta.url), 'utf8')
const diagrams = [...page.matchAll(/```mermaid\nstateDiagram-v2\n([\s\S]*?)```/g)].map(([, lines]) =>
  lines!.trim().split(/\n\s*/),
)

/** As the diagrams write them: the first state, the ways in between, and the ends. */
function linesOf(first: string, table: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>) {
  const ways = Object.entries(table).flatMap(([from, events]) =>
    Object.entries(events).flatMap(([event, to]) => [to].flat().map((one) => `${from} --> ${one}: ${event}`)),
  )
  const ends = Object.entries(table).filter(([, events]) => Object.keys(events).length === 0)
  return [`[*] --> ${first}`, ...ways, ...ends.map(([state]) => `${state} --> [*]`)].sort()
}

describe('docs/states.md', () => {
  it('draws the states of a run as the code has them', () => {
    expect([...diagrams[0]!].sort()).toEqual(linesOf('QUEUED', RUN_TRANSITIONS))
  })

  it('draws the states of a task as the code has them', () => {
    expect([...diagrams[1]!].sort()).toEqual(linesOf('WAITING', TASK_TRANSITIONS))
  })
})
