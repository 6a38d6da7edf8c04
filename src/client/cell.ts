/** A configuration key as a word of shared memory: read, compared and swapped by a transaction. */
import { RollcallError } from './error.ts'
import { readEntry } from './config-entry.ts'
import type { Session } from './session.ts'
import { waiting } from './transport.ts'
import type { CallOptions } from './transport.ts'
import { putIf } from './txn.ts'
import type { Condition } from './txn.ts'

export interface Cell {
  /** 0 where there is no such key: then `text` is empty. */
  readonly version: number
  readonly text: string
  /** Wait for a change after this. */
  readonly asOf: number
}

export async function readCell(
  session: Session,
  key: string,
  options: CallOptions = {},
): Promise<Cell> {
  const { value, asOf } = await readEntry(session, key, { ...options, known: null })
  return { version: value.version, text: new TextDecoder().decode(value.bytes), asOf }
}

/** Waits for a change of the key after `cell`, for at most `waitMs`; answers how it is then. */
export function nextCell(
  session: Session,
  key: string,
  { cell, waitMs, signal }: { cell: Cell; waitMs: number; signal?: AbortSignal | undefined },
): Promise<Cell> {
  return readCell(session, key, { ...waiting(cell.asOf, waitMs), signal })
}

/** Writes `text` if the key is as `cell` says, and `conditions` hold. Null where they do not. */
export function swapCell(
  session: Session,
  key: string,
  swap: {
    readonly cell: Cell
    readonly text: string
    readonly conditions?: readonly Condition[]
    readonly signal?: AbortSignal | undefined
  },
): Promise<{ readonly revision: number } | null> {
  const { cell, text, conditions = [], signal } = swap
  const unchanged: Condition = { config: key, version: cell.version }
  const put = { op: 'config.put', key, value: text, contentType: 'text/plain' } as const
  return putIf(session, { conditions: [unchanged, ...conditions], put, signal })
}

/** What stands in the key and is none of ours: nothing was written. */
export function foreign(key: string, what: string): RollcallError {
  return new RollcallError(
    'invalid_value',
    `"${key}" holds what is no ${what}; nothing was written`,
  )
}
