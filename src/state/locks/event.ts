/** What events of locks hold: who was granted, lost or changed a permit. */
import { present } from '../../lib/assert.ts'
import { utf8Text } from '../../lib/bytes.ts'
import { decode, encode } from '../../lib/msgpack.ts'
import type { LockKey } from '../changes.ts'
import type { StoredEvent } from '../events/event.ts'
import type { LockGrantRecord } from '../tables/schema-locks.ts'

/** A grant right after the event; of one that is gone, as it was. */
export interface LockEvent extends LockKey {
  readonly owner: string
  readonly token: number
  readonly value: string | null
  readonly ttlMs: number
  /** The client's lease that it lives by; null: one of its own. */
  readonly lease: string | null
  readonly revision: number
  readonly atMs: number
}

/** Fields are only ever added at the end: a body is read for ever. */
export function lockEventBody(record: LockGrantRecord): Uint8Array {
  const { name, owner, token, value, ttlMs, lease } = record
  return encode([name, owner, token, value, ttlMs, lease])
}

export function readLockEvent({ ns, revision, atMs, body }: StoredEvent): LockEvent {
  const raw = decode(body) as readonly [
    string,
    Uint8Array,
    number,
    Uint8Array | null,
    number,
    string | null,
  ]
  const [name, owner, token, value, ttlMs, lease] = raw
  return {
    ns,
    name,
    owner: present(utf8Text(owner), 'an owner was stored as UTF-8'),
    token,
    value: value === null ? null : utf8Text(value),
    ttlMs,
    lease,
    revision,
    atMs,
  }
}
