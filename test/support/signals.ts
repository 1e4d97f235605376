/** What Node warns of where a hundred listen to a signal at a time: of a leak, unless it has been told that they may. */
export async function warningsOfMany(signal: AbortSignal): Promise<Error[]> {
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  const listeners = Array.from({ length: 100 }, () => () => {})
  process.on('warning', note)
  for (const listener of listeners) signal.addEventListener('abort', listener)
  // Warnings come with the next tick.
  await new Promise<void>((resolve) => setImmediate(resolve))
  process.off('warning', note)
  for (const listener of listeners) signal.removeEventListener('abort', listener)
  return warnings
}
