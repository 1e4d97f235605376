/** Writes launches down, or finds those that are there: atomic between simultaneous ones, as the writer lets nobody else write meanwhile. */

import { toComparisonLaunch } from './comparison-launches.js'
import type { ComparisonRows } from './comparisons.js'
import type { PrismaClient } from './generated/client.js'
import { findEarlier, insertRun, runsOf } from './launches.js'
import { toSourceBlocks } from './source-blocks.js'
import type { CreatedComparison, CreatedRun, Idempotency, NewComparison, NewRun } from './store.js'
import { databaseCodeOf, isLocked, mayBeFull } from './trouble.js'
import type { Writer } from './writer.js'

export class Launcher {
  constructor(
    private readonly writer: Writer,
    private readonly comparisons: ComparisonRows,
  ) {}

  createRun(prisma: PrismaClient, run: NewRun): Promise<CreatedRun> {
    const blocks = run.items ? toSourceBlocks(run.items) : []
    const create = async () => {
      const earlier = await findEarlier(prisma, run)
      if (earlier || !run.file) return earlier ?? insertRun(prisma, run, blocks)
      return prisma.$transaction((transaction) => insertRun(transaction, run, blocks))
    }
    return this.writer.exclusive(() => this.#enduring(create))
  }

  createComparison(prisma: PrismaClient, comparison: NewComparison): Promise<CreatedComparison> {
    const launch = toComparisonLaunch(comparison)
    return this.writer.exclusive(async (): Promise<CreatedComparison> => {
      const earlier = comparison.idempotency && (await this.earlierComparison(prisma, comparison.idempotency))
      if (earlier) return earlier
      const id = await this.writer.createComparison(launch)
      const { key, name, strategies, rounds, createdAt } = comparison
      const runs = await runsOf(prisma, id)
      return { outcome: 'created', comparison: { id, key, name, strategies, rounds, createdAt }, runs }
    })
  }

  /** What createComparison finds for this key; null where it would write. */
  async earlierComparison(prisma: PrismaClient, idempotency: Idempotency): Promise<CreatedComparison | null> {
    const earlier = await findEarlier(prisma, { idempotency })
    if (earlier?.outcome !== 'existing') return earlier && { outcome: 'conflict' }
    const { comparisonId } = earlier.run
    const comparison = comparisonId === null ? null : this.comparisons.byId(comparisonId)
    return comparison ? { outcome: 'existing', comparison } : { outcome: 'conflict' }
  }

  /** Prisma neither waits for a lock nor makes room, on the main thread: the writer does, and then it is tried again. */
  async #enduring<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = databaseCodeOf(error)
      if (isLocked(code)) await this.writer.awaitLock()
      else if (!mayBeFull(code) || !(await this.writer.makeRoom())) throw error
      return await work()
    }
  }
}
