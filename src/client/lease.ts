/** A lease that is kept alive: what hangs on it is there as long as this process is. */
import type { Duration } from './duration.ts'
import { Keeper } from './keeper.ts'
import type { Held } from './keeper.ts'
import { path } from './path.ts'
import type { Session } from './session.ts'

export interface LeaseOptions {
  /** 10 s. */
  readonly ttl?: Duration
  readonly owner?: string
  readonly marginMs?: number
}

export interface Lease extends Held {
  /** What hangs on it ends with it. */
  readonly id: string
}

/** `ended` is called after the lease was revoked. */
export async function grantLease(
  session: Session,
  options: LeaseOptions = {},
  ended: (id: string) => Promise<void> = async () => {},
): Promise<Lease> {
  session.assertOpen()
  const { ttl = '10s', owner, marginMs } = options
  const answer = await session.call('POST', '/v1/leases', { json: { ttl, owner } })
  const { id, ttlMs } = answer.json<{ readonly id: string; readonly ttlMs: number }>()
  const at = path`/v1/leases/${id}`
  const keeper = new Keeper(session, {
    what: `the lease "${id}"`,
    ttlMs,
    marginMs,
    sentMs: answer.firstSentMs,
    renew: (call) => session.call('POST', `${at}/heartbeat`, call),
    end: async () => {
      await session.call('DELETE', at)
      await ended(id)
    },
  })
  await keeper.start()
  return Object.assign(keeper, { id })
}
