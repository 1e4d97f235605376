/** What a line of a file says: an input of a function, or a request. */

import { type FetchRequest, type Json, toFetchRequest, type UnsendableRequest } from './batch.js'
import { TaskFailure } from './errors.js'
import { jsonProblem } from './json.js'
import { Problems } from './problems.js'
import { checkRequest, checkUrl, type RequestInput, shown } from './requests.js'

/** A longer line is not taken into memory. */
export const MAX_LINE_BYTES = 5 * 1024 * 1024

/** Characters of a bad line that are told in the place of its item. */
const MAX_TOLD_CHARS = 200

/** A line that is no item: it fails its own task and no other. */
export class BadLine extends TaskFailure {
  /** The line, shortened, for those who ask what the input was. */
  readonly told: string
  constructor(line: string, problem: string) {
    super('INVALID_INPUT', problem)
    this.told = shortened(line)
  }
}

export function tooLongLine(beginning: string, bytes: number): BadLine {
  return new BadLine(beginning, `the line has ${bytes} bytes, more than ${MAX_LINE_BYTES}`)
}

export function undecodableLine(beginning: string): BadLine {
  return new BadLine(beginning, `the line is not UTF-8: ${shown(beginning)}`)
}

/** The JSON value of a line. Throws BadLine where it is none that could be given in a list. */
export function readInput(line: string): Json {
  const value = parse(line)
  const problem = jsonProblem(value)
  if (problem !== null) throw new BadLine(line, problem)
  return value
}

/** The URL or request of a line, checked as those of a list are. Throws BadLine where it cannot be sent. */
export function readRequest(line: string): string | FetchRequest {
  const text = line.trim()
  if (!text.startsWith('{')) return requestOfValue(text)
  const masked = maskLine(text)
  return requestFrom(parse(text, masked), masked)
}

/** `line`: what to tell of it. */
function requestFrom(value: Json, line: string): FetchRequest {
  const problems = new Problems()
  const request = checkRequest(problems, requestOf(value, line), [])
  refuse(problems, line)
  return request
}

/** The URL or request that a JSON value is. Throws BadLine, with the value as its line, where it cannot be sent. */
export function requestOfValue(value: Json): string | FetchRequest {
  if (typeof value !== 'string') return requestFrom(value, maskLine(JSON.stringify(value)))
  const problems = new Problems()
  checkUrl(problems, value, [])
  refuse(problems, maskLine(value))
  return value
}

/** A line as the request that stands in its place where it is none. */
export function unsendable({ told, message }: BadLine): UnsendableRequest {
  return { ...toFetchRequest(told), problem: message }
}

function parse(line: string, shownAs = line): Json {
  try {
    return JSON.parse(line) as Json
  } catch {
    throw new BadLine(shownAs, `the line is no JSON: ${shown(shortened(shownAs))}`)
  }
}

const KEYS: ReadonlySet<string> = new Set(['url', 'method', 'headers', 'body'])

/** The object in the shape of a request; what is in it is still to be checked. */
function requestOf(value: Json, line: string): RequestInput {
  const refused = (problem: string) => new BadLine(line, problem)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused(maskLine(`${shown(value)} is neither a URL nor a request`))
  const object = value
  const unknown = Object.keys(object).find((key) => !KEYS.has(key))
  if (unknown !== undefined) throw refused(`a request has no ${shown(unknown)}: it has url, method, headers and body`)
  const { url, method = null, headers = null, body = null } = object
  if (typeof url !== 'string') throw refused('url: a text is expected, with an http or https URL')
  if (!isTextOrNull(method)) throw refused('method: a text is expected')
  if (!isTextOrNull(body)) throw refused('body: a text is expected')
  if (headers !== null && !isHeaderList(headers)) throw refused('headers: a list of { name, value } is expected')
  return { url, method, headers, body }
}

function isTextOrNull(value: Json): value is string | null {
  return value === null || typeof value === 'string'
}

function isHeaderList(value: Json): value is { name: string; value: string }[] {
  if (!Array.isArray(value)) return false
  return value.every((header) => {
    if (typeof header !== 'object' || header === null || Array.isArray(header)) return false
    if (typeof header.name !== 'string' || typeof header.value !== 'string') return false
    return Object.keys(header).length === 2
  })
}

/** The messages name values: what of them may be secret is left out, as all who may read the run will read them. */
function refuse(problems: Problems, line: string): void {
  if (problems.count === 0) return
  const told = problems.list().map(({ field, message }) => {
    const place = field?.length ? `${field.join('.')}: ` : ''
    return field?.at(-1) === 'value' ? `${place}not the value of an HTTP header` : place + maskLine(message)
  })
  throw new BadLine(line, told.join('; '))
}

/** Without the user and password of a URL, and the values of headers, as far as that can be told of a text. */
function maskLine(text: string): string {
  return text
    .replace(/(:[/\\]{2})[^/?#\\\s"]*@/g, '$1***@')
    .replace(/("value"\s*:\s*)"(?:[^"\\]|\\.)*(?:"|$)/g, '$1"***"')
}

function shortened(text: string): string {
  if (text.length <= MAX_TOLD_CHARS) return text
  // Not between the two halves of a character.
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(MAX_TOLD_CHARS - 1))
  return `${text.slice(0, isHalf ? MAX_TOLD_CHARS - 1 : MAX_TOLD_CHARS)}...`
}
