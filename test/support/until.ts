/** Resolves when `holds` is true: looked at between turns of the event loop, so that nothing waits for an amount of time. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}
