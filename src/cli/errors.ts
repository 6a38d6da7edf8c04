/** A command line that cannot be meant: one line for the user, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly exitCode = 2
}

/** A value that a flag cannot take. Its message completes "…: " after the name of the flag. */
export class BadValue extends Error {
  override readonly name = 'BadValue'
}

/** A command that failed at run time: one line for the user, exit code 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode = 1
}

/** The exit code an error brings along, as a `StartError` does; null for all that nobody expected. */
export function exitCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('exitCode' in error)) return null
  return typeof error.exitCode === 'number' ? error.exitCode : null
}
