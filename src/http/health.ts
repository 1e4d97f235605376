/** Whether the server is alive, and whether it is ready for work. */

import type { ServerResponse } from 'node:http'
import { answerJson } from './answers.js'

/** Why the server is not ready, a sentence each; nothing where it is. */
export type Readiness = () => readonly string[] | Promise<readonly string[]>

/** That this is answered is the answer. */
export function answerHealth(res: ServerResponse): void {
  answerJson(res, 200, { status: 'ok' })
}

/** A check that fails is a reason of its own. */
export async function answerReady(res: ServerResponse, readiness: Readiness): Promise<void> {
  const reasons = await reasonsOf(readiness)
  if (reasons.length === 0) answerJson(res, 200, { status: 'ready' })
  else answerJson(res, 503, { status: 'not ready', reasons })
}

async function reasonsOf(readiness: Readiness): Promise<readonly string[]> {
  try {
    return await readiness()
  } catch {
    return ['the check itself failed']
  }
}
