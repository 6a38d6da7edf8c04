/**
 * A meeting point: nobody goes on before so many are there at one moment. Each who waits has a key
 * under a lease of its own, so one that dies is no longer there; who sees enough of them opens the
 * barrier, by a transaction that all these keys are conditions of. Open, it stays open: the next
 * meeting has another name.
 */
import type { Duration } from './duration.ts'
import { RollcallError } from './error.ts'
import { grantLease } from './lease.ts'
import { path } from './path.ts'
import { either } from './ports.ts'
import type { Session } from './session.ts'
import { waiting } from './transport.ts'
import type { CallOptions } from './transport.ts'
import { putIf } from './txn.ts'

export interface BarrierOptions {
  /** How many must be there; to 100. */
  readonly parties: number
  /** After this long without a sign of life somebody is no longer there; 10 s. */
  readonly ttl?: Duration
}

export interface Barrier {
  readonly prefix: string
  /** Resolves when all have been there at one moment; at once where that has been. */
  wait(options?: { readonly signal?: AbortSignal }): Promise<void>
}

/** All of them are conditions of one transaction. */
const PARTIES_MAX = 100
const POLL_MS = 30_000

interface Gathering {
  readonly isOpen: boolean
  readonly present: readonly { readonly key: string; readonly version: number }[]
  readonly asOf: number
}

/** `prefix` is the beginning of the configuration keys that it uses. */
export function barrier(session: Session, prefix: string, options: BarrierOptions): Barrier {
  const { parties, ttl = '10s' } = options
  if (!Number.isInteger(parties) || parties < 1 || parties > PARTIES_MAX) {
    throw new RollcallError('invalid_argument', `parties must be from 1 to ${PARTIES_MAX}`)
  }
  return {
    prefix,
    wait: async ({ signal } = {}) => {
      const lease = await grantLease(session, { ttl, owner: `barrier ${prefix}` })
      try {
        const over = either(lease.signal, signal)
        await session.call('PUT', path`/v1/config/${`${prefix}/in/${lease.id}`}`, {
          query: { lease: lease.id },
          body: '1',
          contentType: 'text/plain',
          signal: over,
        })
        await meet(session, prefix, { parties, signal: over })
      } finally {
        await lease[Symbol.asyncDispose]()
      }
    },
  }
}

async function meet(
  session: Session,
  prefix: string,
  of: { readonly parties: number; readonly signal: AbortSignal },
): Promise<void> {
  const { parties, signal } = of
  let seen = await gather(session, prefix, { signal })
  while (!(seen.isOpen || (await open(session, prefix, { seen, parties, signal })))) {
    seen = await gather(session, prefix, { ...waiting(seen.asOf, POLL_MS), signal })
  }
}

async function gather(session: Session, prefix: string, call: CallOptions): Promise<Gathering> {
  const query = { prefix: `${prefix}/`, limit: 1_000, ...call.query }
  const answer = await session.call('GET', '/v1/config', { ...call, query })
  const { items } = answer.json<{ items: readonly { key: string; version: number }[] }>()
  return {
    isOpen: items.some(({ key }) => key === `${prefix}/open`),
    present: items.filter(({ key }) => key.startsWith(`${prefix}/in/`)),
    asOf: answer.revision ?? 0,
  }
}

/** Whether it is open now. False where too few are there, or somebody left meanwhile. */
async function open(
  session: Session,
  prefix: string,
  of: { readonly seen: Gathering; readonly parties: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const { seen, parties, signal } = of
  if (seen.present.length < parties) return false
  const there = seen.present.slice(0, parties)
  const conditions = there.map(({ key, version }) => ({ config: key, version }))
  const put = { op: 'config.put', key: `${prefix}/open`, value: String(parties) } as const
  return (await putIf(session, { conditions, put, signal })) !== null
}
