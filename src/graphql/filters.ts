/** Filters as clients send them, made into what the store takes. */

/** Without the members that are null or left out: both mean that they do not filter. */
export function present<T extends object>(filter: T | null | undefined): Present<T> {
  return Object.fromEntries(Object.entries(filter ?? {}).filter(([, value]) => value != null)) as Present<T>
}

export type Present<T> = { [Key in keyof T]?: NonNullable<T[Key]> }
