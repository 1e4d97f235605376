/** Reads the text format of Prometheus, version 0.0.4, and refuses what a server of it would: see its documentation, "Exposition formats". */

export interface Family {
  help: string
  type: string
  samples: Sample[]
}

export interface Sample {
  name: string
  labels: Readonly<Record<string, string>>
  value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\["\\\\n])*)"'
const VALUE = '[+-]?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|Nan|NaN'
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`)
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:${LABEL}(?:,(?=[a-zA-Z_])|(?=\\})))*)\\})? (${VALUE})$`)
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped']
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
}

/** The families by name; throws an Error that names the line. */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, Family>()
  const seen = new Set<string>()
  let current = ''
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, keyword, name = '', rest = ''] = COMMENT.exec(line) ?? []
    if (keyword === 'HELP') {
      if (families.has(name)) throw new Error(`a second family: ${line}`)
      families.set(name, { help: rest, type: '', samples: [] })
      current = name
    } else if (keyword === 'TYPE') {
      if (name !== current || !TYPES.includes(rest)) throw new Error(`a type of nothing, or none: ${line}`)
      families.get(name)!.type = rest
    } else {
      const sample = sampleOf(line)
      const family = families.get(current)
      const suffixes = SUFFIXES[family?.type ?? ''] ?? ['']
      if (!family || !suffixes.some((suffix) => sample.name === current + suffix))
        throw new Error(`a sample of another family: ${line}`)
      const key = line.slice(0, line.lastIndexOf(' '))
      if (seen.has(key)) throw new Error(`a second sample: ${line}`)
      seen.add(key)
      family.samples.push(sample)
    }
  }
  for (const [name, family] of families) check(name, family)
  return families
}

function sampleOf(line: string): Sample {
  const match = SAMPLE.exec(line)
  if (!match) throw new Error(`no sample: ${line}`)
  const labels = Object.fromEntries(
    Array.from((match[2] ?? '').matchAll(new RegExp(LABEL, 'g')), ([, label, value]) => [label, value]),
  )
  return { name: match[1]!, labels, value: Number(match.at(-1)!.replace('Inf', 'Infinity')) }
}

function check(name: string, { type, samples }: Family): void {
  if (type === '') throw new Error(`${name} has no type`)
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} counts below 0`)
  if (type !== 'histogram') return
  const series = new Map<string, Sample[]>()
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels
    const key = JSON.stringify(labels)
    series.set(key, [...(series.get(key) ?? []), sample])
  }
  for (const [labels, own] of series) {
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map((bucket) => Number(bucket.labels.le?.replace('Inf', 'Infinity')))
    const rises = (values: number[]) => values.every((value, at) => at === 0 || value >= values[at - 1]!)
    if (!rises(bounds) || !rises(buckets.map(({ value }) => value))) throw new Error(`${name}${labels} does not rise`)
    const count = own.find((sample) => sample.name === `${name}_count`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)?.value !== count?.value)
      throw new Error(`${name}${labels} does not end with its count`)
  }
}

/** The value of the sample with these labels; NaN where there is none. */
export function sampleValue(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''))
  const isMeant = (sample: Sample) =>
    sample.name === name &&
    Object.keys(sample.labels).length === Object.keys(labels).length &&
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  return family?.samples.find(isMeant)?.value ?? Number.NaN
}
