/** Locks, semaphores and elections as rows (DESIGN §8; RELIABILITY K1, K2). */
import { describe, expect, test } from 'bun:test'
import { openSql } from '../../src/runtime/sqlite.ts'
import { EVENT_KINDS, leaseOfGrant, leaseOfWaiter, StateMachine } from '../../src/state/mod.ts'
import type { LockCommand, Outcome } from '../../src/state/mod.ts'
import { LOCK_LIMIT_MAX, LOCK_WAITERS_MAX } from '../../src/state/locks/commands.ts'
import { lockPartOf } from '../../src/state/locks/lease.ts'
import { configPut, Fed } from './support.ts'

const JOB = { ns: 'default', name: 'job' }

type Acquire = Extract<LockCommand, { type: 'lock_acquire' }>

function acquire(owner: string, more: Partial<Acquire> = {}): Acquire {
  const type = 'lock_acquire'
  const terms = { ttlMs: 5_000, lease: null, limit: 1, value: null, waiterTtlMs: 2_000 }
  return { type, ...JOB, owner, ...terms, ...more }
}

async function fed(): Promise<Fed> {
  const made = await Fed.open()
  made.ok({ type: 'cluster_version', version: 3 })
  return made
}

function release(token: number): LockCommand {
  return { type: 'lock_release', ...JOB, token }
}

function tokenOf(outcome: Outcome): number {
  if (!outcome.ok || outcome.result?.type !== 'lock') throw new Error(JSON.stringify(outcome))
  return outcome.result.grant.token
}

function placeOf(outcome: Outcome): number {
  if (!outcome.ok || outcome.result?.type !== 'lock_queued')
    throw new Error(JSON.stringify(outcome))
  return outcome.result.place
}

/** Owners of who holds and who waits. */
function standing({ machine }: Fed): readonly [readonly string[], readonly string[]] {
  const lock = machine.locks.lock('default', 'job', 100)
  return [
    (lock?.holders ?? []).map(({ owner }) => owner),
    (lock?.waiters ?? []).map(({ owner }) => owner),
  ]
}

function expire(made: Fed, ...ids: readonly string[]): void {
  const leases = ids.map((id) => {
    const leaseRevision = made.machine.lease(id)?.leaseRevision ?? 0
    return { id, leaseRevision }
  })
  made.ok({ type: 'lease_expire', leases })
}

const grantLease = (token: number): string => leaseOfGrant({ ...JOB, token, lease: null })
const waiterLease = (place: number): string => leaseOfWaiter({ ...JOB, place })

test('a free lock is granted at once; the token is the revision of the entry', async () => {
  const made = await fed()
  const outcome = made.apply(acquire('a', { value: 'n1' }))

  expect(tokenOf(outcome)).toBe(outcome.revision)
  expect(made.machine.lease(grantLease(outcome.revision))?.ttlMs).toBe(5_000)
  expect(made.topics().toSorted()).toEqual(['locks', 'locks/job'])
  expect(made.machine.locks.lock('default', 'job', 9)).toMatchObject({
    limit: 1,
    held: 1,
    waiting: 0,
    holders: [{ owner: 'a', token: outcome.revision, value: 'n1', lease: null }],
    revision: outcome.revision,
  })
})

test('who asks for a held lock waits, or is refused where it would not wait', async () => {
  const made = await fed()
  made.apply(acquire('a'))

  expect(made.apply(acquire('b', { waiterTtlMs: null }))).toMatchObject({
    ok: false,
    code: 'conflict',
  })
  const place = placeOf(made.apply(acquire('b')))
  expect(place).toBe(made.machine.revision)
  expect(made.machine.lease(waiterLease(place))?.ttlMs).toBe(2_000)
  expect(standing(made)).toEqual([['a'], ['b']])
})

test('waiters are served in order, each by the entry that frees the permit', async () => {
  const made = await fed()
  let token = tokenOf(made.apply(acquire('a')))
  const places = ['b', 'c', 'd'].map((owner) => placeOf(made.apply(acquire(owner))))

  for (const [i, place] of places.entries()) {
    made.ok(release(token))
    const grant = made.machine.locks.grantAt('default', 'job', place)
    expect(grant).toMatchObject({ owner: ['b', 'c', 'd'][i], token: made.machine.revision })
    expect(made.topics()).toContain(`locks/job/${place}`)
    expect(made.machine.lease(waiterLease(place))).toBeNull()
    token = made.machine.revision
  }
  expect(standing(made)).toEqual([['d'], []])
})

test('nobody overtakes those who wait while a permit is between two holders', async () => {
  const made = await fed()
  const tokens = [1, 2].map(() => tokenOf(made.apply(acquire('h', { limit: 2 }))))
  for (const owner of ['b', 'c']) made.apply(acquire(owner, { limit: 2 }))
  expire(made, ...tokens.map(grantLease)) // Two permits, one of them given on by this entry.
  expect(standing(made)).toEqual([['b'], ['c']])

  expect(made.apply(acquire('late', { limit: 2, waiterTtlMs: null })).ok).toBe(false)
  made.apply(acquire('late', { limit: 2 }))
  made.ok({ type: 'lock_grant', locks: [JOB] })
  expect(standing(made)).toEqual([['b', 'c'], ['late']])
})

test('an entry grants one permit of a name; the leader is told of what is left', async () => {
  const made = await fed()
  const tokens = [1, 2, 3].map(() => tokenOf(made.apply(acquire('h', { limit: 3 }))))
  for (const owner of ['b', 'c', 'd']) made.apply(acquire(owner, { limit: 3 }))

  expire(made, ...tokens.map(grantLease))
  expect(standing(made)).toEqual([['b'], ['c', 'd']])
  expect(made.last.readyLocks).toContainEqual(JOB)
  expect(made.machine.locks.ready()).toEqual([JOB])

  made.ok({ type: 'lock_grant', locks: [JOB, JOB] })
  expect(standing(made)).toEqual([['b', 'c'], ['d']])
  expect(made.last.readyLocks).toContainEqual(JOB)
  made.ok({ type: 'lock_grant', locks: [JOB] })
  expect(standing(made)).toEqual([['b', 'c', 'd'], []])
  expect(made.last.readyLocks).toEqual([])
  expect(made.machine.locks.ready()).toEqual([])
  const held = made.machine.locks.lock('default', 'job', 9)?.holders.map(({ token }) => token) ?? []
  expect(new Set(held).size).toBe(3)
})

test('an entry that ends a holder and the next in line does not grant to the dead', async () => {
  const made = await fed()
  const token = tokenOf(made.apply(acquire('a')))
  const dead = placeOf(made.apply(acquire('dead')))
  made.apply(acquire('c'))

  expire(made, grantLease(token), waiterLease(dead))

  expect(standing(made)).toEqual([['c'], []])
  expect(made.machine.locks.grantAt('default', 'job', dead)).toBeNull()
})

test('what waits or holds on a lease of a client goes with it', async () => {
  const made = await fed()
  for (const id of ['one', 'two']) {
    made.ok({ type: 'lease_grant', ns: 'default', id, ttlMs: 700, owner: null })
  }
  const shared = { ttlMs: null, lease: 'one' }
  const token = tokenOf(made.apply(acquire('a', shared)))
  made.apply(acquire('b', { ttlMs: null, lease: 'two' }))
  made.apply(acquire('c', shared))
  made.apply(acquire('d'))
  expect(made.machine.leaseHoldings('one').locks).toEqual([{ name: 'job', token }])
  expect(made.machine.locks.grant('default', 'job', token)).toMatchObject({ ttlMs: 700 })
  expect(made.machine.lease(grantLease(token))).toBeNull()

  made.ok({ type: 'lease_revoke', ns: 'default', id: 'two' })
  expect(standing(made)).toEqual([['a'], ['c', 'd']])
  expire(made, 'one')
  expect(standing(made)).toEqual([['d'], []])
})

test('a lock needs a lease that is there, and no other TTL than that one has', async () => {
  const made = await fed()
  made.ok({ type: 'lease_grant', ns: 'default', id: 'one', ttlMs: 700, owner: null })

  const gone = made.apply(acquire('a', { ttlMs: null, lease: 'gone' }))
  expect(gone).toMatchObject({ ok: false, code: 'not_found' })
  const elsewhere = made.apply(acquire('a', { ns: 'b', ttlMs: null, lease: 'one' }))
  expect(elsewhere).toMatchObject({ ok: false, code: 'not_found' })
  const other = made.apply(acquire('a', { ttlMs: 800, lease: 'one' }))
  expect(other).toMatchObject({ ok: false, code: 'invalid_request', path: 'ttl' })
  expect(made.apply(acquire('a', { ttlMs: null }))).toMatchObject({ code: 'invalid_request' })
  expect(made.apply(acquire('a', { ttlMs: 700, lease: 'one' })).ok).toBe(true)
})

test('the limit is fixed while somebody holds or waits, and free again after', async () => {
  const made = await fed()
  const token = tokenOf(made.apply(acquire('a', { limit: 2 })))

  expect(made.apply(acquire('b', { limit: 3 }))).toMatchObject({ ok: false, code: 'conflict' })
  expect(made.apply(acquire('b')).ok).toBe(false)
  made.ok(release(token))
  expect(made.apply(acquire('b', { limit: 3 })).ok).toBe(true)
  const beyond = made.apply(acquire('c', { name: 'x', limit: LOCK_LIMIT_MAX + 1 }))
  expect(beyond).toMatchObject({ code: 'invalid_request', path: 'limit' })
})

test('only a holder releases, and only a holder has a value', async () => {
  const made = await fed()
  const token = tokenOf(made.apply(acquire('a')))
  const place = placeOf(made.apply(acquire('b')))
  const stale = { ok: false, code: 'stale_token' }

  expect(made.apply(release(place))).toMatchObject(stale)
  expect(made.apply({ type: 'lock_value', ...JOB, token: place, value: 'x' })).toMatchObject(stale)
  made.ok(release(token))
  expect(made.apply(release(token))).toMatchObject(stale)
  expect(standing(made)).toEqual([['b'], []])
})

test('a value changes the lock only when it is another', async () => {
  const made = await fed()
  const token = tokenOf(made.apply(acquire('a', { value: 'n1' })))
  const set = (value: string | null) => made.apply({ type: 'lock_value', ...JOB, token, value })

  set('n1')
  expect(made.topics()).toEqual([])
  set('n2')
  expect(made.topics()).toContain('locks/job')
  expect(made.machine.locks.grant('default', 'job', token)).toMatchObject({
    token,
    value: 'n2',
    revision: made.machine.revision,
  })
  set(null)
  expect(made.machine.locks.grant('default', 'job', token)?.value).toBeNull()
})

describe('a cancel', () => {
  test('takes one out of the queue and leaves the others in order', async () => {
    const made = await fed()
    const token = tokenOf(made.apply(acquire('a')))
    const place = placeOf(made.apply(acquire('b')))
    made.apply(acquire('c'))

    const cancelled = made.apply({ type: 'lock_cancel', ...JOB, place })
    expect(cancelled).toMatchObject({ ok: true, result: null })
    expect(made.machine.lease(waiterLease(place))).toBeNull()
    made.ok(release(token))
    expect(standing(made)).toEqual([['c'], []])
  })

  test('that comes after the grant is told of it, and takes nothing away', async () => {
    const made = await fed()
    const token = tokenOf(made.apply(acquire('a')))
    const place = placeOf(made.apply(acquire('b')))
    const granted = made.ok(release(token))

    expect(tokenOf(made.apply({ type: 'lock_cancel', ...JOB, place }))).toBe(granted)
    expect(standing(made)).toEqual([['b'], []])
  })
})

test('a lock that nobody holds or awaits is not there, and its revision stays', async () => {
  const made = await fed()
  const token = tokenOf(made.apply(acquire('a')))
  const released = made.ok(release(token))
  made.ok(configPut('other', 'x'))

  expect(made.machine.locks.lock('default', 'job', 9)).toBeNull()
  expect(made.machine.locks.revision('default', 'job')).toBe(released)
  expect(made.machine.locks.allRevision('default')).toBe(released)
})

test('the queue of one lock has a bound, and room again after', async () => {
  const made = await fed()
  made.apply(acquire('a'))
  const first = placeOf(made.apply(acquire('w')))
  for (let i = 1; i < LOCK_WAITERS_MAX; i++) made.ok(acquire('w'))

  expect(made.apply(acquire('w'))).toMatchObject({ ok: false, code: 'too_many_requests' })
  made.ok({ type: 'lock_cancel', ...JOB, place: first })
  expect(made.apply(acquire('w')).ok).toBe(true)
  expect(made.machine.recomputeHash()).toBe(made.machine.stateHash())
}, 60_000)

test('locks are of no use before all members know them', async () => {
  const made = await Fed.open()
  expect(made.apply(acquire('a'))).toMatchObject({ ok: false, code: 'conflict' })
  expect(standing(made)).toEqual([[], []])
})

test('what happens to a lock is told by events', async () => {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const made = new Fed(StateMachine.open(sql))
  made.ok({ type: 'cluster_version', version: 3 })
  const token = tokenOf(made.apply(acquire('a', { value: 'n1' })))
  made.apply(acquire('b'))
  made.ok({ type: 'lock_value', ...JOB, token, value: 'n2' })
  made.ok(release(token))
  expire(made, grantLease(made.machine.revision))

  const events = sql.prepare('SELECT kind, topic FROM event ORDER BY revision, n').all()
  expect(new Set(events.map(([, topic]) => topic))).toEqual(new Set(['locks/job']))
  expect(events.map(([kind]) => kind)).toEqual([
    EVENT_KINDS['lock.acquired'],
    EVENT_KINDS['lock.updated'],
    EVENT_KINDS['lock.released'],
    EVENT_KINDS['lock.acquired'],
    EVENT_KINDS['lock.expired'],
  ])
})

test('a lock lease can be taken apart, and nothing else is taken for one', () => {
  expect(lockPartOf(grantLease(7))).toEqual({ type: 'grant', ...JOB, token: 7 })
  expect(lockPartOf(waiterLease(9))).toEqual({ type: 'waiter', ...JOB, place: 9 })
  for (const id of ['l:a/b', 'l:a/b/c', 'w:a/b/1/2', 'w:a/b/0', 'x:a/b/1', 'i:default/web/1']) {
    expect(lockPartOf(id)).toBeNull()
  }
})
