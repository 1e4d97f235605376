/** What is used of the library: its package does not say where its own declarations are. */
declare module 'cephes' {
  /** Resolves when the functions can be called. */
  export const compiled: Promise<void>
  /** The complementary error function; throws where its value is too small for a number. */
  export function erfc(x: number): number
  /** How likely more than k of n draws succeed that have the chance of p each. */
  export function bdtrc(k: number, n: number, p: number): number
}
