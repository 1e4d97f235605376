import { createHash } from 'node:crypto'
import type { ComputeFunction } from '../function.js'
import { BASE64_SCHEMA, bytesOfBase64 } from './base64.js'

const ALGORITHMS = ['sha256', 'sha1', 'sha512', 'md5'] as const
const MAX_CHARS = 5_000_000

interface Options {
  text?: string
  base64?: string
  algorithm?: (typeof ALGORITHMS)[number]
}

/** The digest of a text's or of any bytes. */
export const hash: ComputeFunction = {
  name: 'hash',
  description: [
    'The digest in lower-case hex of a text in UTF-8, given as it is or as { text, algorithm }, or of bytes, as { base64, algorithm }.',
    'algorithm: sha256 (if not said), sha1, sha512 or md5; sha1 and md5 are for comparing, not for security. Exact. A half of a',
    'surrogate pair counts as U+FFFD. At most 5,000,000 characters or 5 MiB of bytes, which take some 10 ms.',
  ].join(' '),
  inputSchema: {
    type: ['string', 'object'],
    maxLength: MAX_CHARS,
    properties: {
      text: { type: 'string', maxLength: MAX_CHARS, description: 'Hashed in UTF-8.' },
      base64: BASE64_SCHEMA,
      algorithm: { enum: [...ALGORITHMS], default: 'sha256' },
    },
    additionalProperties: false,
    anyOf: [{ required: ['text'] }, { required: ['base64'] }],
    dependentSchemas: { text: { properties: { base64: false } } },
  },
  outputSchema: { type: 'string', pattern: '^[0-9a-f]{32,128}$' },
  example: { text: 'heddle', algorithm: 'sha256' },
  run(input) {
    const { text, base64, algorithm = 'sha256' } = typeof input === 'string' ? { text: input } : (input as Options)
    return createHash(algorithm)
      .update(base64 === undefined ? Buffer.from(text ?? '', 'utf8') : bytesOfBase64(base64))
      .digest('hex')
  },
}
