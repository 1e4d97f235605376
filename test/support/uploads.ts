/** Files sent with an operation, as clients of the GraphQL multipart request specification send them. */

import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Answer, Launched, Variables } from './api.js'

const LAUNCHED = 'deduplicated run { id status } userErrors { code message field retryAfterMs }'

/** What stands for a file in variables until it is sent. */
export type FileLike = Blob

/** The form of an operation: each file among the variables is a null there, and a part of its own. */
export function formOf(query: string, variables: Variables): FormData {
  const files: FileLike[] = []
  const map: Record<string, string[]> = {}
  const extract = (value: unknown, path: string): unknown => {
    if (value instanceof Blob) {
      map[files.length] = [path]
      files.push(value)
      return null
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, extract(part, `${path}.${key}`)]))
  }
  const form = new FormData()
  form.append('operations', JSON.stringify({ query, variables: extract(variables, 'variables') }))
  form.append('map', JSON.stringify(map))
  files.forEach((file, at) => {
    form.append(String(at), file)
  })
  return form
}

export async function send<Data>(url: string, form: FormData, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/graphql`, { method: 'POST', body: form, headers })
  return { status: response.status, body: (await response.json()) as Answer<Data> }
}

/** A file of these lines. */
export function fileOf(content: string | Uint8Array | readonly unknown[], name = 'items.jsonl'): File {
  const text = Array.isArray(content) ? content.map((line) => JSON.stringify(line)).join('\n') : content
  return new File([text as string | Uint8Array<ArrayBuffer>], name)
}

async function launch(url: string, field: string, input: Variables): Promise<Launched> {
  const type = `${field[0]?.toUpperCase()}${field.slice(1)}Input!`
  const form = formOf(`mutation($input: ${type}) { launch: ${field}(input: $input) { ${LAUNCHED} } }`, { input })
  const { body } = await send<{ launch: Launched }>(url, form)
  if (body.errors || !body.data) throw new Error(JSON.stringify(body.errors))
  return body.data.launch
}

export function launchFetchFile(url: string, file: FileLike, rest: Variables = {}): Promise<Launched> {
  return launch(url, 'launchFetchBatch', { source: { file }, ...rest })
}

export function launchComputeFile(url: string, file: FileLike, rest: Variables = {}): Promise<Launched> {
  return launch(url, 'launchComputeBatch', { source: { file }, ...rest })
}

export function launchPipelineFile(url: string, file: FileLike, rest: Variables): Promise<Launched> {
  return launch(url, 'launchPipeline', { source: { file }, ...rest })
}

/** What is in the folder of uploads. */
export function uploadsIn(dataDir: string): string[] {
  const folder = join(dataDir, 'uploads')
  return existsSync(folder) ? readdirSync(folder) : []
}

const BOUNDARY = 'x-heddle-x'

/** One part of a body, or bytes as they are. */
export type Part = { name: string; content: string; file?: string; type?: string }

/** A body written by hand; `end` is what closes it. */
export function bodyOf(parts: readonly Part[], end = `--${BOUNDARY}--\r\n`): Buffer {
  const texts = parts.map(({ name, content, file, type }) => {
    const fileName = file === undefined ? '' : `; filename="${file}"`
    const contentType = type === undefined ? '' : `content-type: ${type}\r\n`
    return `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${fileName}\r\n${contentType}\r\n${content}\r\n`
  })
  return Buffer.from(texts.join('') + end)
}

export async function sendBody(url: string, body: Buffer, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
  })
  return { status: response.status, body: (await response.json()) as Answer<unknown> }
}

/** A client that is going to send so many bytes, and sends what it is told to. */
export function openUpload(url: string, contentLength: number) {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.on('data', (data) => {
    received += String(data)
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: ${host}\r\ncontent-type: multipart/form-data; boundary=${BOUNDARY}\r\n` +
      `content-length: ${contentLength}\r\n\r\n`,
  )
  return {
    write: (bytes: Uint8Array) => new Promise<void>((resolve) => socket.write(bytes, () => resolve())),
    destroy: () => socket.destroy(),
    received: () => received,
    closed,
  }
}
