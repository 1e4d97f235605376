/** The CPU time of the thread that asks, where the platform can tell it. */

/** Milliseconds; its zero means nothing. A call takes about a microsecond. */
export type CpuClock = () => number

/** Null where there is none. */
export async function openCpuClock(): Promise<CpuClock | null> {
  return threadClock() ?? (await wasiClock())
}

/** Node 22.15 and later. */
function threadClock(): CpuClock | null {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } }
  if (typeof threadCpuUsage !== 'function') return null
  return () => {
    const { user, system } = threadCpuUsage.call(process)
    return (user + system) / 1_000
  }
}

interface Wasm {
  Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}
declare const WebAssembly: Wasm

/** CLOCKID_THREAD_CPUTIME_ID of WASI. */
const THREAD_CPU_TIME = 3

/**
 * Node 20 has the thread's clock in its WASI system interface alone. /proc/thread-self/schedstat moves on with the
 * scheduler's tick only, by 4 ms at a time, which is no measure for a task of one.
 */
async function wasiClock(): Promise<CpuClock | null> {
  try {
    const { WASI } = await withoutWarning(() => import('node:wasi'))
    const wasi = new WASI({ version: 'preview1' })
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    wasi.initialize({ exports: { memory } })
    const nanoseconds = new BigUint64Array(memory.buffer, 0, 1)
    const read = wasi.wasiImport.clock_time_get as (clock: number, precision: bigint, address: number) => number
    if (read(THREAD_CPU_TIME, 0n, 0) !== 0) return null
    return () => {
      read(THREAD_CPU_TIME, 0n, 0)
      return Number(nanoseconds[0]) / 1e6
    }
  } catch {
    return null
  }
}

/** That WASI is experimental is no news to whoever reads the server's log. */
async function withoutWarning<T>(load: () => Promise<T>): Promise<T> {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return await load()
  } finally {
    process.emitWarning = emitWarning
  }
}
