/**
 * Links to exports that carry access: whoever has one may read this one file until it expires, as a browser does that follows it and
 * has no token to send. A link is signed for the token that it was made for, and worth nothing once that is not the server's any more.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type ExportFormat, exportPath } from './exports/export.js'
import type { RunKey } from './ids.js'

/** What a link leads to. */
export interface LinkedExport {
  run: RunKey
  format: ExportFormat
}

/** What a link claims, as its query has it. */
export interface SignedLink extends LinkedExport {
  expires: string
  signature: string
}

/** The space of the token that it was made for; or why it opens nothing. */
export type LinkVerdict = { space: string } | { refused: 'EXPIRED' | 'FORGED' }

const VALID_SECONDS = 3_600

export class ExportLinks {
  readonly #key: Uint8Array

  /** `key`: secret, and the same as long as its links are to hold. */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** Where an export is, for whoever has asked; `space`: of their token, '' without tokens, where a path needs no signature. */
  urlOf(target: LinkedExport, space: string, nowMs: number): string {
    const path = exportPath(target.run, target.format)
    if (space === '') return path
    const expires = String(Math.floor(nowMs / 1000) + VALID_SECONDS)
    return `${path}?expires=${expires}&signature=${this.#sign(target, expires, space).toString('base64url')}`
  }

  /** `spaces`: of all tokens that may read. Each is tried, in the same time: how long it takes tells nothing of them. */
  check(link: SignedLink, spaces: readonly string[], nowMs: number): LinkVerdict {
    const given = Buffer.from(link.signature, 'base64url')
    let found: string | null = null
    for (const space of spaces) {
      const signature = this.#sign(link, link.expires, space)
      if (given.length === signature.length && timingSafeEqual(given, signature)) found = space
    }
    if (found === null) return { refused: 'FORGED' }
    return Number(link.expires) * 1000 > nowMs ? { space: found } : { refused: 'EXPIRED' }
  }

  #sign({ run, format }: LinkedExport, expires: string, space: string): Buffer {
    return createHmac('sha256', this.#key).update(['export', run, format, expires, space].join('\n')).digest()
  }
}
