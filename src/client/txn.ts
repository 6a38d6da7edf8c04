/** Transactions: conditions and operations, all or nothing, in one entry of the log. */
import type { InstanceSpec } from './instance.ts'
import type { Session } from './session.ts'
import type { CallOptions } from './transport.ts'
import type { Duration } from './duration.ts'

export type Condition =
  /** 0: there is no such key. */
  | { readonly config: string; readonly version: number }
  | { readonly config: string; readonly value: string }
  | { readonly lock: string; readonly token: number }
  | {
      readonly instance: { readonly service: string; readonly id: string }
      readonly exists: boolean
    }
  | { readonly lease: string; readonly exists: boolean }

type Value = { readonly value: string } | { readonly valueBase64: string }
type OfInstance = { readonly service: string; readonly id: string }
type ConfigPut = {
  readonly op: 'config.put'
  readonly key: string
  readonly contentType?: string
  readonly comment?: string
  readonly lease?: string
}

export type Operation =
  | (ConfigPut & Value)
  | { readonly op: 'config.delete'; readonly key: string }
  | { readonly op: 'config.rollback'; readonly key: string; readonly to: number }
  | { readonly op: 'config.get'; readonly key: string }
  | ({ readonly op: 'instance.put'; readonly ttl?: Duration } & OfInstance & InstanceSpec)
  | ({ readonly op: 'instance.patch'; readonly ttl?: Duration } & OfInstance &
      Partial<InstanceSpec>)
  | ({ readonly op: 'instance.delete' } & OfInstance)
  | { readonly op: 'lock.release'; readonly name: string; readonly token: number }

export interface Transaction {
  /** All must hold; none is fine. */
  readonly if?: readonly Condition[]
  readonly then?: readonly Operation[]
  readonly else?: readonly Operation[]
}

export interface TxnResult {
  /** Whether all conditions held: the results are then those of `then`, otherwise of `else`. */
  readonly succeeded: boolean
  readonly revision: number
  readonly results: readonly {
    readonly op: string
    readonly status: number
    readonly version?: number
    readonly revision?: number
    readonly value?: string
    readonly valueBase64?: string
  }[]
}

/**
 * An operation that fails aborts all: {@link RollcallError} with that operation's own code, and its
 * place in `problem.failed`.
 */
export async function txn(
  session: Session,
  transaction: Transaction,
  options: Pick<CallOptions, 'signal' | 'timeoutMs' | 'idempotencyKey'> = {},
): Promise<TxnResult> {
  // oxlint-disable-next-line unicorn/no-thenable -- the word of the API; it is sent, never awaited
  const json = { if: [], then: [], else: [], ...transaction }
  const answer = await session.call('POST', '/v1/txn', { ...options, json })
  return answer.json<TxnResult>()
}

/** One write, if all conditions hold; null where they do not. */
export async function putIf(
  session: Session,
  write: {
    readonly conditions: readonly Condition[]
    readonly put: Operation
    readonly signal?: AbortSignal | undefined
  },
): Promise<TxnResult | null> {
  const { conditions, put, signal } = write
  // oxlint-disable-next-line unicorn/no-thenable -- the word of the API; it is sent, never awaited
  const done = await txn(session, { if: conditions, then: [put] }, { signal })
  return done.succeeded ? done : null
}
