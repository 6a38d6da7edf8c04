/** Why a node did not start, as one line for its operator and an exit code (API.md). */
import { messageOf } from './lib/text.ts'
import { StartError, type NodeOptions } from './node-options.ts'
import { StateDamaged, StateFileError } from './runtime/mod.ts'
import { SchemaError, UnknownCommand } from './state/mod.ts'
import { WalDamaged, WalMismatch } from './storage/mod.ts'

/** The system's word for what happened, such as `EACCES`; null where there is none. */
export function codeOf(error: unknown): string | null {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : null
  return typeof code === 'string' ? code : null
}

/** Another process has locked the directory. */
export function inUse(dataDir: string, remedy: string): StartError {
  return new StartError(3, `the data directory ${dataDir} is in use by another process; ${remedy}`)
}

/** What the operator reads: what is wrong, and what to do. */
export function startError(
  error: unknown,
  options: Pick<NodeOptions, 'dataDir' | 'witness'>,
): StartError {
  if (error instanceof StartError) return error
  const cause = { cause: error }
  if (error instanceof WalMismatch && error.reason === 'node_id') {
    const what = `the data directory ${options.dataDir} belongs to node ${error.actual}, not ${error.expected}`
    return new StartError(3, `${what}; start it with its own --id, or choose another --data`, cause)
  }
  if (error instanceof WalMismatch && error.reason === 'member_kind') {
    const what = `the data directory ${options.dataDir} belongs to ${error.actual}, not to ${error.expected}`
    const how = `start it ${options.witness ? 'without' : 'with'} --witness, or choose another --data`
    return new StartError(3, `${what}; ${how}`, cause)
  }
  const message = messageOf(error)
  if (
    error instanceof WalDamaged ||
    error instanceof WalMismatch ||
    error instanceof StateFileError ||
    error instanceof StateDamaged ||
    error instanceof SchemaError ||
    error instanceof UnknownCommand
  ) {
    return new StartError(3, `${options.dataDir}: ${message}`, cause)
  }
  const code = codeOf(error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const what = `the data directory ${options.dataDir} cannot be written (${code})`
    return new StartError(1, `${what}; give it to this user, or choose another with --data`, cause)
  }
  return new StartError(1, `cannot start on ${options.dataDir}: ${message}`, cause)
}
