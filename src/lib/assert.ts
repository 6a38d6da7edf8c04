/** A broken invariant: a bug of ours, never a client's fault. Nobody catches it but `main.ts`. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws when `condition` does not hold. On in production: `invariant` says what must be true. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${invariant}`)
}

/** Ends an exhaustive `switch`: the compiler proves that no variant reaches it. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable variant: ${JSON.stringify(value)}`)
}

/** Narrows a value that an invariant says exists. */
export function present<T>(value: T | null | undefined, invariant: string): T {
  if (value === null || value === undefined) {
    throw new AssertionError(`invariant broken: ${invariant}`)
  }
  return value
}
