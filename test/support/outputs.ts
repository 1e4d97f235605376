import { type FetchColumn, FetchColumnBuilder } from '../../src/domain/fetch-column.js'
import { type OutputColumn, outputAt } from '../../src/domain/results.js'

import type { FetchDetail } from '../../src/domain/task.js'

/** Texts as a lane reports them; null where there is none. */
export function outputColumn(texts: readonly (string | null)[]): OutputColumn | null {
  if (texts.every((text) => text === null)) return null
  let end = 0
  const ends = Uint32Array.from(texts, (text) => {
    end += text?.length ?? 0
    return end
  })
  return { text: texts.join(''), ends }
}

/** Details as a lane reports them. */
export function fetchColumn(details: readonly (FetchDetail | null)[]): FetchColumn {
  const builder = new FetchColumnBuilder()
  for (const detail of details) builder.add(detail)
  return builder.take()
}

/** And back. */
export function outputTexts(outputs: OutputColumn | null, count: number): (string | null)[] {
  return Array.from({ length: count }, (_, at) => outputAt(outputs, at))
}
