/** Why a data directory cannot be used, in the words of the operator. */
import { StartError } from './node-options.ts'
import { StateFileError } from './runtime/mod.ts'
import { SchemaError } from './state/mod.ts'
import { WalDamaged, WalMismatch } from './storage/mod.ts'

/** Of an error of the system, such as `EADDRINUSE`. */
export function codeOf(error: unknown): string | null {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : null
  return typeof code === 'string' ? code : null
}

/** What the operator reads: what is wrong with `dataDir`, and what to do. */
export function startError(error: unknown, dataDir: string): StartError {
  if (error instanceof StartError) return error
  const cause = { cause: error }
  if (error instanceof WalMismatch && error.reason === 'node_id') {
    const what = `the data directory ${dataDir} belongs to node ${error.actual}, not ${error.expected}`
    return new StartError(3, `${what}; start it with its own --id, or choose another --data`, cause)
  }
  const message = error instanceof Error ? error.message : String(error)
  if (
    error instanceof WalDamaged ||
    error instanceof WalMismatch ||
    error instanceof StateFileError ||
    error instanceof SchemaError
  ) {
    return new StartError(3, `${dataDir}: ${message}`, cause)
  }
  const code = codeOf(error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const what = `the data directory ${dataDir} cannot be written (${code})`
    return new StartError(1, `${what}; give it to this user, or choose another with --data`, cause)
  }
  return new StartError(1, `cannot start on ${dataDir}: ${message}`, cause)
}
