/**
 * A slate says what a lane has in service, in memory or in a file that the server can read without asking the lane:
 * while it spins, and after it has died. A task is marked before it starts and wiped before its result is sent.
 */

import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import type { InService } from './lane.js'

/** A task that begins: it has said nothing of its progress. */
export type BegunTask = Omit<InService, 'progress'>

/** The lane's side. Slots count from 0. */
export interface SlateWriter {
  mark(slot: number, task: BegunTask): void
  /** How far the task is that is marked there, from 0 to 1. */
  progress(slot: number, fraction: number): void
  wipe(slot: number): void
}

/** The server's side. */
export interface SlateReader {
  /** Makes room for this many slots, all wiped. Answers with what the lane must be told: memory new to it, or null. */
  prepare(slots: number): SharedArrayBuffer | null
  read(): InService[]
  close(): void
}

/** A job has so many slots more, for tasks that have ended and are kept in service for a moment more. */
export const SPARE_SLOTS = 16

/** Each slot has a version, odd while it is written, and these four numbers. */
const INDEX = 0
const ATTEMPT = 1
const STARTED_AT = 2
/**
 * Written alone and under no new version: it is one number, and a lane that died in the middle of saying it must still be
 * known to have had its task in service. Marking another task overwrites it under a new version, so that no reader takes one
 * task's progress for another's.
 */
const PROGRESS = 3
const FIELDS = 4
/** In the place of an index. */
const NOTHING = -1
/** In the place of a progress. */
const UNSAID = Number.NaN
/**
 * A lane may have died in the middle of a write, or have lost its core there. Then its slot says nothing: a task that is being
 * marked has not begun, one that is being wiped has ended.
 */
const MAX_TRIES = 1_000

function versionsOf(memory: SharedArrayBuffer): { slots: number; versions: Int32Array; fields: Float64Array } {
  const slots = memory.byteLength / (Float64Array.BYTES_PER_ELEMENT * (FIELDS + 1))
  return {
    slots,
    fields: new Float64Array(memory, 0, slots * FIELDS),
    versions: new Int32Array(memory, slots * FIELDS * Float64Array.BYTES_PER_ELEMENT, slots),
  }
}

function progressOf(place: number): number | null {
  return Number.isNaN(place) ? null : place
}

function createMemory(slots: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(slots * (FIELDS + 1) * Float64Array.BYTES_PER_ELEMENT)
  const { fields } = versionsOf(memory)
  for (let slot = 0; slot < slots; slot += 1) fields[slot * FIELDS + INDEX] = NOTHING
  return memory
}

/** For threads. */
export class MemorySlateReader implements SlateReader {
  #memory: ReturnType<typeof versionsOf> | null = null

  prepare(slots: number): SharedArrayBuffer | null {
    if (this.#memory && this.#memory.slots >= slots) return null
    const memory = createMemory(Math.max(64, slots))
    this.#memory = versionsOf(memory)
    return memory
  }

  read(): InService[] {
    const tasks: InService[] = []
    if (!this.#memory) return tasks
    for (let slot = 0; slot < this.#memory.slots; slot += 1) {
      const task = this.#readSlot(slot)
      if (task) tasks.push(task)
    }
    return tasks
  }

  close(): void {}

  #readSlot(slot: number): InService | null {
    const { versions, fields } = this.#memory!
    const at = slot * FIELDS
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const before = Atomics.load(versions, slot)
      const index = fields[at + INDEX]!
      const attempt = fields[at + ATTEMPT]!
      const startedAt = fields[at + STARTED_AT]!
      const progress = fields[at + PROGRESS]!
      // Adding nothing is a load that the reads above cannot be moved behind.
      if ((before & 1) === 0 && Atomics.add(versions, slot, 0) === before) {
        return index === NOTHING ? null : { index, attempt, startedAt, progress: progressOf(progress) }
      }
    }
    return null
  }
}

export class MemorySlateWriter implements SlateWriter {
  readonly #versions: Int32Array
  readonly #fields: Float64Array

  constructor(memory: SharedArrayBuffer) {
    const { versions, fields } = versionsOf(memory)
    this.#versions = versions
    this.#fields = fields
  }

  mark(slot: number, task: BegunTask): void {
    const at = slot * FIELDS
    Atomics.add(this.#versions, slot, 1)
    this.#fields[at + INDEX] = task.index
    this.#fields[at + ATTEMPT] = task.attempt
    this.#fields[at + STARTED_AT] = task.startedAt
    this.#fields[at + PROGRESS] = UNSAID
    Atomics.add(this.#versions, slot, 1)
  }

  progress(slot: number, fraction: number): void {
    this.#fields[slot * FIELDS + PROGRESS] = fraction
  }

  wipe(slot: number): void {
    Atomics.add(this.#versions, slot, 1)
    this.#fields[slot * FIELDS + INDEX] = NOTHING
    Atomics.add(this.#versions, slot, 1)
  }
}

/** A slot of a file: its version before and after the fields, so that a reader sees whether it read half a write. */
const PLACES = FIELDS + 2
const SLOT_BYTES = PLACES * Float64Array.BYTES_PER_ELEMENT
const PROGRESS_BYTE = (1 + PROGRESS) * Float64Array.BYTES_PER_ELEMENT

/** For processes: a write of a slot takes one microsecond, and what was written outlives the process. */
export class FileSlateReader implements SlateReader {
  readonly #fd: number
  #places = new Float64Array(0)
  #linked = true

  /** `path`: of a file that does not exist yet. */
  constructor(private readonly path: string) {
    this.#fd = openSync(path, 'wx+', 0o600)
  }

  /** To be called once the lane has opened the file: a server that is killed then leaves nothing behind. */
  unlink(): void {
    if (!this.#linked) return
    this.#linked = false
    unlinkSync(this.path)
  }

  prepare(slots: number): null {
    if (this.#places.length < slots * PLACES) this.#places = new Float64Array(slots * PLACES)
    return null
  }

  read(): InService[] {
    let left = MAX_TRIES
    while (true) {
      const { tasks, torn } = this.#readOnce()
      left -= 1
      if (!torn || left === 0) return tasks
    }
  }

  close(): void {
    this.unlink()
    closeSync(this.#fd)
  }

  #readOnce(): { tasks: InService[]; torn: boolean } {
    const places = this.#places
    const bytes = Math.min(fstatSync(this.#fd).size, places.byteLength)
    const read = bytes === 0 ? 0 : readSync(this.#fd, places, 0, bytes, 0)
    const tasks: InService[] = []
    let torn = false
    for (let at = 0; at < Math.floor(read / SLOT_BYTES) * PLACES; at += PLACES) {
      // A hole in the file is all zeros: never marked.
      if (places[at] === 0) continue
      if (places[at] !== places[at + PLACES - 1]) {
        torn = true
        continue
      }
      const index = places[at + 1 + INDEX]!
      if (index === NOTHING) continue
      tasks.push({
        index,
        attempt: places[at + 1 + ATTEMPT]!,
        startedAt: places[at + 1 + STARTED_AT]!,
        progress: progressOf(places[at + 1 + PROGRESS]!),
      })
    }
    return { tasks, torn }
  }
}

export class FileSlateWriter implements SlateWriter {
  readonly #fd: number
  readonly #places = new Float64Array(PLACES)
  readonly #said = new Float64Array(1)
  #version = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'r+')
  }

  mark(slot: number, task: BegunTask): void {
    this.#write(slot, task.index, task)
  }

  progress(slot: number, fraction: number): void {
    this.#said[0] = fraction
    writeSync(this.#fd, this.#said, 0, Float64Array.BYTES_PER_ELEMENT, slot * SLOT_BYTES + PROGRESS_BYTE)
  }

  wipe(slot: number): void {
    this.#write(slot, NOTHING, { attempt: 0, startedAt: 0 })
  }

  #write(slot: number, index: number, { attempt, startedAt }: Omit<BegunTask, 'index'>): void {
    this.#version += 1
    const places = this.#places
    places[0] = this.#version
    places[1 + INDEX] = index
    places[1 + ATTEMPT] = attempt
    places[1 + STARTED_AT] = startedAt
    places[1 + PROGRESS] = UNSAID
    places[PLACES - 1] = this.#version
    writeSync(this.#fd, places, 0, SLOT_BYTES, slot * SLOT_BYTES)
  }
}
