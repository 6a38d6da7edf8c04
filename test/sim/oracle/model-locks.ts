/**
 * Locks once more, from DESIGN §8 rather than from the code: a queue and a set of holders for each
 * name. While it works out what an entry does it looks at K1 and K2 of RELIABILITY §3 as well:
 * tokens only grow, no more holders than permits, first come first served, nobody dead is granted.
 */
import type {
  CommandOf,
  LeaseRow,
  LockGrantRow,
  LockKey,
  LockRow,
  LockWaiterRow,
  Outcome,
} from '../../../src/state/mod.ts'
import { insist } from '../violation.ts'
import { Versions } from './versions.ts'

interface Waiter extends LockWaiterRow {
  readonly value: string | null
  readonly ttlMs: number
  /** How long its place lasts without a beat; null: it never had one. */
  readonly placeMs: number | null
}

interface ModelLock {
  readonly limit: number
  readonly holders: readonly LockGrantRow[]
  readonly queue: readonly Waiter[]
}

/** What the model of the rest does for this one. */
export interface LockHost {
  now(): { readonly revision: number; readonly wallMs: number }
  lease(id: string): LeaseRow | null
  /** `unclaimedMs`: how long it lasts until its first beat, where that is less. */
  arm(ns: string, id: string, ttlMs: number, unclaimedMs?: number): void
  /** The lease is gone; what hung on it is this file's business. */
  drop(id: string): void
  touch(ns: string, topic: string): void
  tell(
    ns: string,
    topic: string,
    kind: 'lock.acquired' | 'lock.released' | 'lock.expired' | 'lock.updated',
  ): void
}

type Why = 'released' | 'expired'

const NOBODY = { holders: [], queue: [] }
const grantLease = (grant: LockGrantRow) => `l:${grant.ns}/${grant.name}/${grant.token}`
const waiterLease = (waiter: LockWaiterRow) => `w:${waiter.ns}/${waiter.name}/${waiter.place}`

export class LockModel {
  readonly #host: LockHost
  readonly #locks = new Map<string, Versions<ModelLock>>()
  /** The largest token of each name, also when nobody holds it. */
  readonly #tokens = new Map<string, number>()
  #freed: LockKey[] = []
  ready: LockKey[] = []

  constructor(host: LockHost) {
    this.#host = host
  }

  #versions({ ns, name }: LockKey): Versions<ModelLock> {
    const id = `${ns}/${name}`
    let versions = this.#locks.get(id)
    if (versions === undefined) this.#locks.set(id, (versions = new Versions()))
    return versions
  }

  /** Null while it is neither held nor waited for. */
  #at(key: LockKey, revision: number): ModelLock | null {
    return this.#locks.get(`${key.ns}/${key.name}`)?.at(revision) ?? null
  }

  #now(key: LockKey): ModelLock | null {
    return this.#versions(key).last
  }

  #set(key: LockKey, lock: ModelLock): void {
    const isThere = lock.holders.length > 0 || lock.queue.length > 0
    this.#versions(key).set(this.#host.now().revision, isThere ? lock : null)
    this.#host.touch(key.ns, `locks/${key.name}`)
    this.#host.touch(key.ns, 'locks')
  }

  holders(ns: string, name: string, revision: number): readonly LockGrantRow[] {
    return this.#at({ ns, name }, revision)?.holders ?? []
  }

  waits(ns: string, name: string, place: number, revision: number): boolean {
    return this.#at({ ns, name }, revision)?.queue.some((one) => one.place === place) ?? false
  }

  row(ns: string, name: string, revision: number): LockRow | null {
    const lock = this.#at({ ns, name }, revision)
    if (lock === null) return null
    const { limit, holders, queue } = lock
    const waiters = queue.map(({ place, owner, lease, createdAtMs }) => {
      return { ns, name, place, owner, lease, createdAtMs }
    })
    const changed = this.#versions({ ns, name }).changedAt(revision)
    const counts = { held: holders.length, waiting: queue.length }
    return { ns, name, limit, ...counts, holders, waiters, revision: changed }
  }

  names(ns: string): readonly string[] {
    return [...this.#locks.keys()]
      .filter((id) => id.startsWith(`${ns}/`))
      .map((id) => id.slice(ns.length + 1))
      .sort()
  }

  readyAt(revision: number): readonly LockKey[] {
    const ready: LockKey[] = []
    for (const id of [...this.#locks.keys()].sort()) {
      const [ns = '', name = ''] = id.split('/')
      const lock = this.#at({ ns, name }, revision)
      if (lock !== null && lock.queue.length > 0 && lock.holders.length < lock.limit) {
        ready.push({ ns, name })
      }
    }
    return ready
  }

  isHolder(key: LockKey, token: number): boolean {
    return this.#holder(key, token) !== null
  }

  /** The returned function takes back what this entry did since. */
  mark(): () => void {
    const tokens = new Map(this.#tokens)
    const ready = this.ready.length
    return () => {
      const { revision } = this.#host.now()
      for (const [id, versions] of this.#locks) if (versions.drop(revision)) this.#locks.delete(id)
      this.#tokens.clear()
      for (const [id, token] of tokens) this.#tokens.set(id, token)
      this.ready.length = ready
    }
  }

  acquire(command: CommandOf<'lock_acquire'>): Outcome {
    const { ns, name, owner, value, lease, limit } = command
    const ttlMs = this.#ttlOf(command)
    if (typeof ttlMs !== 'number') return ttlMs
    const known = this.#now(command)
    if (known !== null && known.limit !== limit) {
      const kept = `has the limit ${known.limit} while it is ${standing(known)}, not ${limit}`
      const then = 'ask with that limit, or when nobody holds or awaits it'
      return this.#refused('conflict', `the lock "${name}" ${kept}; ${then}`)
    }
    const lock = known ?? { limit, ...NOBODY }
    const place = this.#host.now().revision
    const waiter = {
      ns,
      name,
      place,
      owner,
      lease,
      value,
      ttlMs,
      placeMs: null,
      createdAtMs: this.#host.now().wallMs,
    }
    if (lock.queue.length === 0 && lock.holders.length < limit) {
      return this.#ok(true, { type: 'lock', grant: this.#grant(lock, waiter) })
    }
    if (command.waiterTtlMs === null) {
      const why = `the lock "${name}" is ${standing(lock)}, and was not waited for`
      return this.#refused('conflict', `${why}; ask with a wait to queue for it`)
    }
    const placeMs = command.waiterTtlMs
    this.#set(command, { ...lock, queue: [...lock.queue, { ...waiter, placeMs }] })
    this.#host.arm(ns, waiterLease(waiter), placeMs)
    return this.#ok(false, { type: 'lock_queued', place })
  }

  #ttlOf({ ns, ttlMs, lease }: CommandOf<'lock_acquire'>): number | Outcome {
    if (lease === null) return ttlMs ?? this.#refused('conflict', 'never asked for here')
    const row = this.#host.lease(lease)
    if (row === null || row.ns !== ns || row.lapsed) {
      return this.#refused('not_found', `there is no lease "${lease}"`)
    }
    return row.ttlMs
  }

  #grant(lock: ModelLock, waiter: Waiter): LockGrantRow {
    const { revision, wallMs } = this.#host.now()
    const { ns, name, place, owner, value, ttlMs, lease } = waiter
    const id = `${ns}/${name}`
    const last = this.#tokens.get(id) ?? 0
    insist(revision > last, 'tokens of a lock grow (K1)', () => `${id}: ${revision} after ${last}`)
    this.#tokens.set(id, revision)
    const row = { ns, name, token: revision, place, owner, value, ttlMs, lease }
    const grant: LockGrantRow = { ...row, revision, createdAtMs: wallMs }
    const holders = [...lock.holders, grant]
    insist(
      holders.length <= lock.limit,
      'a lock has no more holders than permits (K1)',
      () => `${id}: ${holders.length} of ${lock.limit}`,
    )
    insist(
      lease === null || this.#host.lease(lease) !== null,
      'nobody dead is granted (K2)',
      () => `${id}: place ${place} hangs on ${lease}, which is gone`,
    )
    this.#set(grant, { ...lock, holders })
    if (lease === null) this.#host.arm(ns, grantLease(grant), ttlMs, waiter.placeMs ?? undefined)
    this.#host.tell(ns, `locks/${name}`, 'lock.acquired')
    return grant
  }

  cancel({ ns, name, place }: CommandOf<'lock_cancel'>): Outcome {
    const lock = this.#now({ ns, name })
    const waiter = lock?.queue.find((one) => one.place === place)
    if (waiter !== undefined) this.#leave(waiter)
    const grant = lock?.holders.find((one) => one.place === place)
    return this.#ok(false, grant === undefined ? null : { type: 'lock', grant })
  }

  release({ ns, name, token }: CommandOf<'lock_release'>): Outcome {
    const grant = this.#holder({ ns, name }, token)
    if (grant === null) return this.#stale(name, token)
    this.#giveBack(grant, 'released')
    this.passOn()
    return this.#ok(false, null)
  }

  setValue({ ns, name, token, value }: CommandOf<'lock_value'>): Outcome {
    const old = this.#holder({ ns, name }, token)
    if (old === null) return this.#stale(name, token)
    if (old.value === value) return this.#ok(false, { type: 'lock', grant: old })
    const grant = { ...old, value, revision: this.#host.now().revision }
    const lock = this.#now(old) as ModelLock
    const holders = lock.holders.map((one) => (one === old ? grant : one))
    this.#set(old, { ...lock, holders })
    this.#host.tell(ns, `locks/${name}`, 'lock.updated')
    return this.#ok(false, { type: 'lock', grant })
  }

  serve({ locks }: CommandOf<'lock_grant'>): Outcome {
    for (const key of locks) this.#next(key)
    return this.#ok(false, null)
  }

  /** After all that an entry ends: what it freed goes to the first in line, once for each name. */
  passOn(): void {
    const freed = this.#freed
    this.#freed = []
    for (const key of freed) this.#next(key)
  }

  #next(key: LockKey): void {
    const lock = this.#now(key)
    const first = lock?.queue[0]
    if (lock === null || first === undefined || lock.holders.length >= lock.limit) return
    if (this.#tokens.get(`${key.ns}/${key.name}`) === this.#host.now().revision) {
      return void this.ready.push(key)
    }
    this.#host.drop(waiterLease(first))
    this.#host.touch(key.ns, `locks/${key.name}/${first.place}`)
    this.#grant({ ...lock, queue: lock.queue.slice(1) }, first)
    if (lock.queue.length > 1 && lock.holders.length + 1 < lock.limit) this.ready.push(key)
  }

  #leave(waiter: LockWaiterRow): void {
    const lock = this.#now(waiter) as ModelLock
    this.#host.drop(waiterLease(waiter))
    this.#host.touch(waiter.ns, `locks/${waiter.name}/${waiter.place}`)
    this.#set(waiter, { ...lock, queue: lock.queue.filter(({ place }) => place !== waiter.place) })
  }

  #giveBack(grant: LockGrantRow, why: Why): void {
    const lock = this.#now(grant) as ModelLock
    if (grant.lease === null) this.#host.drop(grantLease(grant))
    const holders = lock.holders.filter(({ token }) => token !== grant.token)
    this.#set(grant, { ...lock, holders })
    this.#freed.push({ ns: grant.ns, name: grant.name })
    this.#host.tell(grant.ns, `locks/${grant.name}`, `lock.${why}`)
  }

  /** A lease ended: true where it was a lock's own, and is gone with what it kept. */
  leaseEnds(id: string, why: Why): boolean {
    const part = /^([lw]):([^/]+)\/([^/]+)\/(\d+)$/.exec(id)
    if (part === null) {
      this.#clientLeaseEnds(id, why)
      return false
    }
    const [, type, ns = '', name = '', number] = part
    const lock = this.#now({ ns, name })
    const grant = lock?.holders.find(({ token }) => token === Number(number))
    const waiter = lock?.queue.find(({ place }) => place === Number(number))
    if (type === 'l' && grant !== undefined) this.#giveBack(grant, why)
    if (type === 'w' && waiter !== undefined) this.#leave(waiter)
    return true
  }

  #clientLeaseEnds(id: string, why: Why): void {
    const byName = [...this.#locks].sort(([a], [b]) => (a < b ? -1 : 1))
    const locks = byName.flatMap(([, { last }]) => last ?? [])
    for (const { queue } of locks) for (const one of queue) if (one.lease === id) this.#leave(one)
    for (const { holders } of locks) {
      for (const one of holders) if (one.lease === id) this.#giveBack(one, why)
    }
  }

  #holder(key: LockKey, token: number): LockGrantRow | null {
    return this.#now(key)?.holders.find((one) => one.token === token) ?? null
  }

  #stale(name: string, token: number): Outcome {
    return this.#refused('stale_token', `the token ${token} does not hold the lock "${name}"`)
  }

  #refused(code: 'conflict' | 'not_found' | 'stale_token', detail: string): Outcome {
    return { ok: false, revision: this.#host.now().revision, code, detail }
  }

  #ok(created: boolean, result: (Outcome & { readonly ok: true })['result']): Outcome {
    return { ok: true, revision: this.#host.now().revision, created, result }
  }
}

function standing({ holders, limit, queue }: ModelLock): string {
  return `held by ${holders.length} of ${limit} and waited for by ${queue.length}`
}
