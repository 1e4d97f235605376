/**
 * Operations with files, as the GraphQL multipart request specification has them: the fields `operations` and `map`, then
 * the files. The whole request is read, its files to disk as they come, before anything of it is executed.
 */

import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream } from '@fastify/busboy'
import type { GraphQLParams } from 'graphql-yoga'
import { shown } from '../domain/requests.js'
import type { ReceivedFile, Uploads } from '../files/uploads.js'
import { apiError } from '../graphql/errors.js'

const MAX_FILES = 16
/** More parts than any request has that is none of the specification. */
const MAX_PARTS = MAX_FILES + 8
const MAX_PART_HEADER_BYTES = 8 * 1024
const NAMELESS = 'There is a part without a name: expected operations, map and files'

export function isMultipart(contentType: string | null | undefined): boolean {
  return /^\s*multipart\/form-data\s*(;|$)/i.test(contentType ?? '')
}

/** Reads such requests, and knows the files of each until it is over. */
export class MultipartRequests {
  readonly #files = new WeakMap<IncomingMessage, readonly ReceivedFile[]>()
  /** Requests that were over, perhaps before their files were on disk. */
  readonly #closed = new WeakSet<IncomingMessage>()

  constructor(
    private readonly uploads: Pick<Uploads, 'receive'>,
    /** Of `operations`, and of `map`. */
    private readonly maxFieldBytes: number,
  ) {}

  /** The operation, a file in the place of each null that the map names. Rejects with what is wrong, and no file is left. */
  async read(req: IncomingMessage): Promise<GraphQLParams> {
    const { params, files } = await new MultipartReading(req, this.uploads, this.maxFieldBytes).done
    this.#files.set(req, files)
    // Nobody waits for an answer, and nobody else will remove them.
    if (this.#closed.has(req)) {
      await this.close(req)
      throw badRequest('The sender has left before its files were on disk')
    }
    return params
  }

  /** The request is over: files that no run has are removed. Safe to call twice, and for requests without files. */
  async close(req: IncomingMessage): Promise<void> {
    this.#closed.add(req)
    await Promise.all((this.#files.get(req) ?? []).map((file) => file.release()))
  }
}

interface Reading {
  params: GraphQLParams
  files: ReceivedFile[]
}

type Parser = InstanceType<typeof Busboy>

type Operations = { [key: string]: unknown }

/** The paths that each file is to stand at, by the name of its part. */
type FileMap = ReadonlyMap<string, readonly string[]>

class MultipartReading {
  readonly done: Promise<Reading>
  readonly #parser: Parser
  readonly #streams = new Set<BusboyFileStream>()
  readonly #received = new Map<string, Promise<ReceivedFile>>()
  #operations: Operations | null = null
  #map: FileMap | null = null
  #fail: (error: unknown) => void = () => {}

  constructor(
    private readonly req: IncomingMessage,
    private readonly uploads: Pick<Uploads, 'receive'>,
    private readonly maxFieldBytes: number,
  ) {
    this.#parser = this.#createParser()
    this.done = this.#read()
  }

  #createParser(): Parser {
    const { req, maxFieldBytes } = this
    try {
      return new Busboy({
        headers: { ...req.headers, 'content-type': req.headers['content-type'] ?? '' },
        // Some clients give them a type, or send them from a file.
        isPartAFile: (name, type, fileName) =>
          name !== 'operations' && name !== 'map' && (fileName !== undefined || type === 'application/octet-stream'),
        limits: { fieldSize: maxFieldBytes, parts: MAX_PARTS, headerSize: MAX_PART_HEADER_BYTES },
      })
    } catch {
      req.resume()
      throw badRequest('The Content-Type multipart/form-data names no boundary')
    }
  }

  async #read(): Promise<Reading> {
    const { req } = this
    try {
      await this.#parse()
      const files = new Map<string, ReceivedFile>()
      for (const [name, file] of this.#received) files.set(name, await file)
      return { params: this.#assemble(files), files: [...files.values()] }
    } catch (error) {
      // The rest is let run off unread, so that its sender gets to see the answer.
      req.unpipe(this.#parser)
      req.resume()
      for (const stream of this.#streams) stream.destroy(new Error('the request is refused'))
      for (const file of await Promise.allSettled(this.#received.values())) {
        if (file.status === 'fulfilled') await file.value.release()
      }
      throw error
    }
  }

  /** Resolves at the end of a whole body: every part has been handed on. */
  #parse(): Promise<void> {
    const { req } = this
    const parser = this.#parser
    return new Promise((resolve, reject) => {
      this.#fail = reject
      const take = (work: () => void) => {
        try {
          work()
        } catch (error) {
          reject(error)
        }
      }
      parser.on('field', (name, value, _nameCut, isCut) => take(() => this.#field(name, value, isCut)))
      parser.on('file', (name, stream, fileName) => take(() => this.#file(name, stream, fileName)))
      parser.once('partsLimit', () => reject(badRequest(`There are more than ${MAX_PARTS} parts`)))
      parser.once('finish', resolve)
      parser.on('error', () => reject(badRequest('The body is no whole multipart/form-data: it breaks off')))
      // Its sender has gone, and is nobody's fault here.
      const leave = () => {
        if (!req.complete) reject(badRequest('The body has no end'))
      }
      req.once('error', leave)
      req.once('close', leave)
      req.pipe(parser)
    })
  }

  #field(name: string | undefined, value: string, isCut: boolean): void {
    if (name === undefined) throw badRequest(NAMELESS)
    if (isCut) throw apiError('BAD_USER_INPUT', `${shown(name)} is larger than ${this.maxFieldBytes} bytes`, 413)
    if (name === 'operations') {
      if (this.#operations) throw badRequest('The field "operations" is there twice')
      this.#operations = readOperations(value)
    } else if (name === 'map') {
      if (!this.#operations)
        throw badRequest('The field "map" comes before "operations": the order is operations, map, files')
      if (this.#map) throw badRequest('The field "map" is there twice')
      this.#map = readMap(value, this.#operations)
    } else if (this.#map?.has(name)) {
      throw badRequest(`The part ${shown(name)} is no file: send it with a file name, as curl -F '${name}=@…' does`)
    } else {
      throw badRequest(`There is a field ${shown(name)}: expected operations, map and files`)
    }
  }

  #file(name: string | undefined, stream: BusboyFileStream, fileName: string | undefined): void {
    // Whatever becomes of it: a stream without this would end the process.
    stream.on('error', () => {})
    this.#streams.add(stream)
    if (name === undefined) throw badRequest(NAMELESS)
    if (!this.#operations || !this.#map) {
      throw badRequest(`The file ${shown(name)} comes before "map": the order is operations, map, files`)
    }
    if (!this.#map.has(name)) throw badRequest(`The file ${shown(name)} is not in the map`)
    if (this.#received.has(name)) throw badRequest(`The file ${shown(name)} is there twice`)
    const file = this.uploads.receive(stream, fileName || null)
    this.#received.set(name, file)
    file.then(() => this.#streams.delete(stream), this.#fail)
  }

  #assemble(files: ReadonlyMap<string, ReceivedFile>): GraphQLParams {
    if (!this.#operations) throw badRequest('There is no field "operations"')
    if (!this.#map) throw badRequest('There is no field "map"')
    for (const [name, paths] of this.#map) {
      const file = files.get(name)
      if (!file) throw badRequest(`The map names the file ${shown(name)}, and it did not come`)
      for (const path of paths) placeAt(this.#operations, path).put(file)
    }
    return this.#operations
  }
}

function badRequest(message: string): Error {
  return apiError('BAD_USER_INPUT', message, 400)
}

function readOperations(text: string): Operations {
  const value = parseField('operations', text)
  if (Array.isArray(value)) throw badRequest('The field "operations" is a list: one operation a request is expected')
  if (!isObject(value))
    throw badRequest(`The field "operations" is ${shown(value)}: expected a JSON object with a query`)
  return value
}

function readMap(text: string, operations: Operations): FileMap {
  const value = parseField('map', text)
  const expected = 'expected a JSON object such as {"0": ["variables.file"]}'
  if (!isObject(value)) throw badRequest(`The field "map" is ${shown(value)}: ${expected}`)
  const entries = Object.entries(value)
  if (entries.length > MAX_FILES) throw badRequest(`The map names ${entries.length} files, more than ${MAX_FILES}`)
  const taken = new Set<string>()
  const map = new Map<string, string[]>()
  for (const [name, paths] of entries) {
    const isList = Array.isArray(paths) && paths.length > 0 && paths.every((path) => typeof path === 'string')
    if (!isList) throw badRequest(`The map has ${shown(paths)} for ${shown(name)}: ${expected}`)
    for (const path of paths as string[]) {
      if (taken.has(path)) throw badRequest(`The map names the path ${shown(path)} twice`)
      taken.add(path)
      // Before the files come: a request that cannot be executed need not be read.
      placeAt(operations, path)
    }
    map.set(name, paths as string[])
  }
  return map
}

function parseField(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest(`The field ${shown(name)} is no JSON`)
  }
}

/** The null that a path leads to. */
function placeAt(operations: Operations, path: string): { put(file: ReceivedFile): void } {
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  let target: unknown = keys[0] === 'variables' ? operations : null
  for (const key of keys) target = isBranch(target) && Object.hasOwn(target, key) ? target[key] : null
  if (!isBranch(target) || !Object.hasOwn(target, last)) {
    throw badRequest(`The map names the path ${shown(path)}, and nothing is there: expected a null in the variables`)
  }
  const branch = target
  if (branch[last] !== null) {
    throw badRequest(`The map names the path ${shown(path)}, and ${shown(branch[last])} is there: expected a null`)
  }
  return {
    put: (file) => {
      branch[last] = file
    },
  }
}

function isObject(value: unknown): value is Operations {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a path can lead through: of a list its keys are the places. */
function isBranch(value: unknown): value is Operations {
  return typeof value === 'object' && value !== null
}
