/** Writes launches down, through Prisma. */

import { type BatchSpec, functionsOf, type Label, type Source } from '../domain/batch.js'
import { toRunKey } from '../domain/ids.js'
import type { RunRecord } from '../domain/run.js'
import type { Prisma } from './generated/client.js'
import { newRunRow, toRunRecord } from './rows.js'
import type { SourceBlockRow } from './source-blocks.js'
import { toStretchBytes } from './source-files.js'
import type { CreatedRun, NewRun } from './store.js'

/** Prisma, in a transaction or out of one. */
type Client = Prisma.TransactionClient

/** The run that the launch's idempotency key names already. */
export async function findEarlier(
  prisma: Client,
  { idempotency }: Pick<NewRun, 'idempotency'>,
): Promise<CreatedRun | null> {
  if (!idempotency) return null
  const { space: idempotencySpace, key: idempotencyKey, inputHash } = idempotency
  const row = await prisma.run.findUnique({
    where: { idempotencySpace_idempotencyKey: { idempotencySpace, idempotencyKey } },
  })
  return row && { outcome: row.inputHash === inputHash ? 'existing' : 'conflict', run: toRunRecord(row) }
}

/** Those of a comparison, in the order in which they are run. */
export async function runsOf(prisma: Client, comparisonId: number): Promise<RunRecord[]> {
  const rows = await prisma.run.findMany({ where: { comparisonId }, orderBy: { id: 'asc' } })
  return rows.map(toRunRecord)
}

/** One nested write, and the file's in the same transaction. */
export async function insertRun(prisma: Client, run: NewRun, blocks: SourceBlockRow[]): Promise<CreatedRun> {
  const labels = distinct(run.spec.labels)
  const functions = functionsOf(run.spec).map((name) => ({ function: name }))
  const row = await prisma.run.create({
    data: {
      ...newRunRow(run),
      ...(labels.length > 0 && { labels: { createMany: { data: labels } } }),
      ...(functions.length > 0 && { functions: { createMany: { data: functions } } }),
      ...(blocks.length > 0 && { blocks: { createMany: { data: blocks } } }),
    },
  })
  const { file, spec } = run
  if (file && spec.source.kind === 'file') {
    const stretches = toStretchBytes(file.stretches)
    await prisma.sourceFile.create({ data: { runId: row.id, file: file.file, form: spec.source.form, stretches } })
  }
  return { outcome: 'created', run: toRunRecord(row) }
}

/** Each once, as the filter knows them. */
export function distinct(labels: readonly Label[]): Label[] {
  const byText = new Map(labels.map(({ name, value }) => [JSON.stringify([name, value]), { name, value }]))
  return [...byText.values()]
}

/**
 * Writes a launch and takes it back. Prisma compiles for 0.2 s on its first one, all of it the main thread's: that is spent
 * here, before anyone waits, and a database that cannot be written is told at the start.
 */
export async function rehearseLaunch(prisma: { $transaction: TransactionRunner }): Promise<void> {
  const undo = new Error('the rehearsal is over')
  try {
    await prisma.$transaction(async (transaction) => {
      await findEarlier(transaction, REHEARSAL)
      await insertRun(transaction, REHEARSAL, [{ first: 0, count: 1, items: '[]' }])
      const spec: BatchSpec = { ...REHEARSAL.spec, source: FILE }
      const file = { file: '', stretches: new Float64Array() }
      await insertRun(transaction, { ...REHEARSAL, spec, file, key: toRunKey('again'), idempotency: null }, [])
      await runsOf(transaction, 0)
      throw undo
    })
  } catch (error) {
    if (error !== undo) throw error
  }
}

type TransactionRunner = (work: (transaction: Client) => Promise<void>) => Promise<void>

const FILE: Source = { kind: 'file', form: 'inputs', name: null, bytes: 0, sha256: '', count: 0 }

const REHEARSAL: NewRun = {
  key: toRunKey('rehearsal'),
  spec: {
    kind: 'COMPUTE',
    name: null,
    labels: [{ name: '', value: '' }],
    priority: 0,
    strategy: 'AUTO',
    concurrency: null,
    lanes: null,
    failFast: false,
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0, unsafe: false },
    timeoutMs: null,
    source: { kind: 'list', form: 'inputs', count: 1 },
    stages: [{ kind: 'COMPUTE', name: '', function: '', chunkSize: null, reduce: null }],
  },
  items: null,
  file: null,
  idempotency: { space: '', key: '', inputHash: '' },
  createdAt: new Date(0),
}
