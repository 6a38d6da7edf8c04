/** `/v1/locks` over a real state machine: who asks, who waits, what holders and resources are told. */
import { describe, expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'
import type { Answer } from './support.ts'

const JOB = '/v1/locks/job'

async function lockApi(options: Parameters<typeof testApi>[0] = {}) {
  const api = await testApi(options)
  api.registry.apply({ type: 'cluster_version', version: 3 })
  const ask = (owner: string, more: object = {}): Promise<Answer> =>
    api.call(`POST ${JOB}`, { body: { owner, ttl: '5s', ...more } })
  const held = async (): Promise<unknown> => {
    const { status, text } = await api.call(`GET ${JOB}`)
    if (status === 404) return []
    const { holders } = JSON.parse(text) as { holders: { owner: string }[] }
    return holders.map(({ owner }) => owner)
  }
  return { ...api, ask, held }
}

function tokenOf(answer: Answer): number {
  return Number(jsonOf(answer)['token'])
}

/** Until so many wait for the lock. */
async function queueOf(api: Awaited<ReturnType<typeof lockApi>>, waiting: number): Promise<void> {
  for (;;) {
    if ((api.registry.local.locks.lock('default', 'job', 1)?.waiting ?? 0) === waiting) return
    await Bun.sleep(1)
  }
}

test('a free lock is answered at once, with the token and the TTL', async () => {
  const { ask, registry } = await lockApi()
  const answer = await ask('me', { value: 'http://n1', limit: 1 })

  const token = registry.local.revision
  expect(answer.status).toBe(200)
  expect(jsonOf(answer)).toEqual({
    name: 'job',
    owner: 'me',
    token,
    ttl: '5s',
    ttlMs: 5_000,
    value: 'http://n1',
  })
  expect(answer.headers.get('Rollcall-Revision')).toBe(String(token))
})

test('a held lock that is not waited for is 409 with who stands in the way', async () => {
  const { ask } = await lockApi()
  const token = tokenOf(await ask('me', { value: 'v' }))
  const answer = await ask('you')

  expect(answer.status).toBe(409)
  expect(jsonOf(answer)).toMatchObject({
    code: 'conflict',
    outcome: 'not_applied',
    held: 1,
    waiting: 0,
    holders: [{ owner: 'me', token, value: 'v', ttl: '5s', ttlMs: 5_000 }],
    waiters: [],
  })
})

test('who waits is granted when the holder gives it back, and the first one first', async () => {
  const api = await lockApi()
  let token = tokenOf(await api.ask('a'))
  const waiting: Promise<Answer>[] = []
  for (const [i, owner] of ['b', 'c'].entries()) {
    waiting.push(api.ask(owner, { wait: '1m' }))
    await queueOf(api, i + 1)
  }
  const seen: unknown[] = []
  for (const one of waiting) {
    expect((await api.call(`DELETE ${JOB}?token=${token}`)).status).toBe(204)
    const answer = await one
    expect(answer.status).toBe(200)
    expect(tokenOf(answer)).toBeGreaterThan(token)
    token = tokenOf(answer)
    seen.push(jsonOf(answer)['owner'])
  }
  expect(seen).toEqual(['b', 'c'])
})

test('a wait that ends is 409, and leaves no place behind', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const answer = await api.ask('b', { wait: '20ms' })

  expect(answer.status).toBe(409)
  expect(jsonOf(answer)).toMatchObject({
    detail: expect.stringContaining('within the wait'),
    holders: [{ owner: 'a', token }],
    waiting: 0,
  })
  await api.call(`DELETE ${JOB}?token=${token}`)
  expect(await api.held()).toEqual([])
})

test('a grant that comes while the wait is given up is answered, not lost', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const propose = api.registry.propose.bind(api.registry)
  // The holder is gone just before the cancel is decided.
  api.registry.propose = async (command) => {
    if (command.type === 'lock_cancel') {
      api.registry.apply({ type: 'lock_release', ns: 'default', name: 'job', token })
    }
    return propose(command)
  }
  const answer = await api.ask('b', { wait: '20ms' })

  expect(answer.status).toBe(200)
  expect(await api.held()).toEqual(['b'])
})

test('a grant that was waited for is renewed before it is told', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const waiting = api.ask('b', { wait: '1m' })
  await queueOf(api, 1)
  const renewed: string[] = []
  const heartbeat = api.registry.heartbeat.bind(api.registry)
  api.registry.heartbeat = (leases) => {
    renewed.push(...leases)
    // It has lapsed by the time that the leader is asked.
    if (leases[0]?.startsWith('l:') === true) api.registry.lapse(leases[0])
    return heartbeat(leases)
  }
  await api.call(`DELETE ${JOB}?token=${token}`)
  const answer = await waiting

  expect(renewed).toEqual([`l:default/job/${token + 2}`])
  expect(answer.status).toBe(409)
  expect(jsonOf(answer)).toMatchObject({ detail: expect.stringContaining('lost since') })
})

describe('a client that hangs up', () => {
  test('while it waits leaves the queue', async () => {
    const api = await lockApi()
    await api.ask('a')
    const client = new AbortController()
    const body = JSON.stringify({ owner: 'b', ttl: '5s', wait: '1m' })
    const init = { method: 'POST', body, signal: client.signal }
    const waiting = Promise.resolve(api.app.request(JOB, init))
    await queueOf(api, 1)

    client.abort()
    await waiting.catch(() => {})
    await queueOf(api, 0)
    expect(await api.held()).toEqual(['a'])
  })

  test('just before it is granted gives the lock back', async () => {
    const api = await lockApi()
    const token = tokenOf(await api.ask('a'))
    const client = new AbortController()
    const body = JSON.stringify({ owner: 'b', ttl: '5s', wait: '1m' })
    const init = { method: 'POST', body, signal: client.signal }
    const waiting = Promise.resolve(api.app.request(JOB, init))
    await queueOf(api, 1)

    api.registry.heartbeat = async () => {
      client.abort()
      return { ok: true, renewals: [{ ttlMs: 5_000, expiresInMs: 5_000 }] }
    }
    await api.call(`DELETE ${JOB}?token=${token}`)
    await waiting.catch(() => {})
    while (api.registry.local.locks.lock('default', 'job', 1) !== null) await Bun.sleep(1)
    expect(await api.held()).toEqual([])
  })
})

test('a node that stops lets its waiters go', async () => {
  const closing = new AbortController()
  const api = await lockApi({ closing: closing.signal })
  await api.ask('a')
  const waiting = api.ask('b', { wait: '10m' })
  await queueOf(api, 1)
  closing.abort()

  expect((await waiting).status).toBe(409)
  expect(api.registry.local.locks.lock('default', 'job', 1)?.waiting).toBe(0)
})

test('a semaphore has as many holders as its limit, and one limit at a time', async () => {
  const { ask, held } = await lockApi()
  for (const owner of ['a', 'b']) expect((await ask(owner, { limit: 2 })).status).toBe(200)

  expect((await ask('c', { limit: 2 })).status).toBe(409)
  const other = await ask('c', { limit: 3 })
  expect(other.status).toBe(409)
  expect(jsonOf(other)).toMatchObject({ limit: 2, held: 2 })
  expect(jsonOf(other)['detail']).toContain('the limit 2')
  expect(await held()).toEqual(['a', 'b'])
})

test('a renewal answers the TTL, and proposes only another value', async () => {
  const { ask, call, registry } = await lockApi()
  const token = tokenOf(await ask('a', { value: 'n1' }))
  const before = registry.proposed.length

  const renewed = await call(`POST ${JOB}/renew`, { body: { token } })
  expect(jsonOf(renewed)).toMatchObject({ token, ttl: '5s', ttlMs: 5_000, value: 'n1' })
  await call(`POST ${JOB}/renew`, { body: { token, value: 'n1' } })
  expect(registry.proposed.length).toBe(before)
  const moved = await call(`POST ${JOB}/renew`, { body: { token, value: 'n2' } })
  expect(jsonOf(moved)).toMatchObject({ token, value: 'n2' })
  expect(jsonOf(await call(`GET ${JOB}`))).toMatchObject({ holders: [{ token, value: 'n2' }] })
})

test('what was lost is 404 to renew, 412 to release and 412 to a resource', async () => {
  const { ask, call, registry } = await lockApi()
  const token = tokenOf(await ask('a'))
  expect((await call(`GET ${JOB}?token=${token}`)).status).toBe(200)
  registry.lapse(`l:default/job/${token}`)

  const renewed = await call(`POST ${JOB}/renew`, { body: { token } })
  expect(renewed.status).toBe(404)
  expect(jsonOf(renewed)).toMatchObject({ code: 'not_found', outcome: 'not_applied' })
  const released = await call(`DELETE ${JOB}?token=${token}`)
  expect(released.status).toBe(412)
  expect(jsonOf(released)).toMatchObject({ code: 'stale_token', outcome: 'not_applied' })
  const asked = await call(`GET ${JOB}?token=${token}`)
  expect(asked.status).toBe(412)
  expect(jsonOf(asked)).toMatchObject({ code: 'stale_token' })
})

test('a renewal of what was released does not count for the lease that it hung on', async () => {
  const { call, registry } = await lockApi()
  const lease = String(jsonOf(await call('POST /v1/leases', { body: { ttl: '5s' } }))['id'])
  const taken = await call(`POST ${JOB}`, { body: { owner: 'a', lease } })
  const token = tokenOf(taken)
  expect(jsonOf(taken)).toMatchObject({ lease, ttl: '5s' })
  expect(jsonOf(await call(`GET /v1/leases/${lease}`))).toMatchObject({
    locks: [{ name: 'job', token }],
  })
  expect((await call(`POST ${JOB}/renew`, { body: { token } })).status).toBe(200)

  await call(`DELETE ${JOB}?token=${token}`)
  expect((await call(`POST ${JOB}/renew`, { body: { token } })).status).toBe(404)
  expect(registry.local.lease(lease)).not.toBeNull()
})

test('a lock of another namespace is another lock', async () => {
  const { ask, call } = await lockApi()
  const token = tokenOf(await ask('a'))
  expect((await call(`DELETE ${JOB}?token=${token}&ns=b`)).status).toBe(412)
  const there = await call(`POST ${JOB}?ns=b`, { body: { owner: 'b', ttl: '5s' } })
  expect(there.status).toBe(200)
})

test('the list has every lock that is held or waited for, in pages', async () => {
  const { call } = await lockApi()
  for (const name of ['b', 'a', 'job-1', 'job-2']) {
    await call(`POST /v1/locks/${name}`, { body: { owner: 'me', ttl: '5s' } })
  }
  const names = async (line: string): Promise<[unknown[], string]> => {
    const body = jsonOf(await call(line))
    const locks = body['locks'] as { readonly name: string }[]
    return [locks.map(({ name }) => name), String(body['next'] ?? '')]
  }
  const [first, next] = await names('GET /v1/locks?limit=3')
  expect(first).toEqual(['a', 'b', 'job-1'])
  expect(await names(`GET /v1/locks?cursor=${next}`)).toEqual([['job-2'], ''])
  expect(await names('GET /v1/locks?prefix=job')).toEqual([['job-1', 'job-2'], ''])
})

test('a follower of an election waits for its leader, and learns of the next', async () => {
  const { call, ask } = await lockApi()
  const none = await call(`GET ${JOB}`)
  expect(none.status).toBe(404)
  const since = none.headers.get('Rollcall-Revision')
  const waiting = call(`GET ${JOB}?since=${since}&wait=1m`)
  const token = tokenOf(await ask('a', { value: 'n1' }))

  const answer = await waiting
  expect(jsonOf(answer)).toMatchObject({ revision: token, holders: [{ value: 'n1' }] })
  const etag = answer.headers.get('ETag') ?? ''
  expect((await call(`GET ${JOB}`, { headers: { 'If-None-Match': etag } })).status).toBe(304)
  const next = call(`GET ${JOB}?since=${token}&wait=1m`)
  await call(`POST ${JOB}/renew`, { body: { token, value: 'n2' } })
  expect(jsonOf(await next)).toMatchObject({ holders: [{ token, value: 'n2' }] })
})

describe('with an idempotency key', () => {
  const headers = { 'Idempotency-Key': 'k-1' }
  const keyedAsk = (api: Awaited<ReturnType<typeof lockApi>>, owner: string, wait = '1m') =>
    api.call(`POST ${JOB}`, { headers, body: { owner, ttl: '5s', wait } })

  test('a retry gets the same grant while it holds, and is told when it was lost', async () => {
    const api = await lockApi()
    const token = tokenOf(await keyedAsk(api, 'a'))
    expect(tokenOf(await keyedAsk(api, 'a'))).toBe(token)

    await api.call(`DELETE ${JOB}?token=${token}`)
    const late = await keyedAsk(api, 'a')
    expect(late.status).toBe(409)
    expect(jsonOf(late)).toMatchObject({ detail: expect.stringContaining('lost since') })
    expect(await api.held()).toEqual([])
  })

  test('a client that hangs up keeps its place, and its retry takes it up again', async () => {
    const api = await lockApi()
    const token = tokenOf(await api.ask('a'))
    const client = new AbortController()
    const body = JSON.stringify({ owner: 'b', ttl: '5s', wait: '1m' })
    const init = { method: 'POST', body, headers, signal: client.signal }
    const left = Promise.resolve(api.app.request(JOB, init)).catch(() => {})
    await queueOf(api, 1)
    const later = api.ask('c', { wait: '1m' })
    await queueOf(api, 2)
    client.abort()
    await left

    const retry = keyedAsk(api, 'b')
    while (api.registry.proposed.filter(({ type }) => type === 'keyed').length < 2) {
      await Bun.sleep(1)
    }
    expect(api.registry.local.locks.lock('default', 'job', 9)?.waiting).toBe(2)
    await api.call(`DELETE ${JOB}?token=${token}`)
    const answer = await retry
    expect([answer.status, jsonOf(answer)['owner']]).toEqual([200, 'b'])
    await api.call(`DELETE ${JOB}?token=${tokenOf(answer)}`)
    expect(jsonOf(await later)['owner']).toBe('c')
  })

  test('a node that stops says so, and keeps the place for the next one', async () => {
    const closing = new AbortController()
    const api = await lockApi({ closing: closing.signal })
    await api.ask('a')
    const waiting = keyedAsk(api, 'b')
    await queueOf(api, 1)
    closing.abort()

    const answer = await waiting
    expect(answer.status).toBe(504)
    expect(jsonOf(answer)).toMatchObject({ code: 'outcome_unknown', outcome: 'unknown' })
    expect(api.registry.local.locks.lock('default', 'job', 9)?.waiting).toBe(1)
  })
})

test('a write is fenced by who holds the lock now', async () => {
  const { ask, call } = await lockApi()
  const first = tokenOf(await ask('a'))
  const put = (token: number) =>
    call('PUT /v1/config/state', { headers: { 'Rollcall-Lock': `job=${token}` }, body: 'x' })
  expect((await put(first)).status).toBe(201)
  await call(`DELETE ${JOB}?token=${first}`)
  const second = tokenOf(await ask('b'))

  const stale = await put(first)
  expect([stale.status, jsonOf(stale)['code']]).toEqual([412, 'stale_token'])
  expect((await put(second)).status).toBe(200)
})

test('a transaction gives a lock back, and passes it on, with what it writes', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const next = api.ask('b', { wait: '1m' })
  await queueOf(api, 1)
  const txn = (held: number) =>
    api.call('POST /v1/txn', {
      body: {
        if: [{ lock: 'job', token: held }],
        then: [
          { op: 'config.put', key: 'done', value: 'yes' },
          { op: 'lock.release', name: 'job', token: held },
        ],
      },
    })
  const released = await txn(token)

  expect(jsonOf(released)).toMatchObject({
    succeeded: true,
    results: [{ status: 201 }, { op: 'lock.release', status: 204 }],
  })
  expect(tokenOf(await next)).toBe(Number(jsonOf(released)['revision']))
  expect(jsonOf(await txn(token))).toMatchObject({ succeeded: false })
})

test('a leader that has not applied the grant yet is asked again, not believed', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const waiting = api.ask('b', { wait: '1m' })
  await queueOf(api, 1)
  const heartbeat = api.registry.heartbeat.bind(api.registry)
  let asked = 0
  api.registry.heartbeat = async (leases) => {
    if (leases[0]?.startsWith('l:') === true && asked++ < 2) return { ok: true, renewals: [null] }
    return await heartbeat(leases)
  }
  await api.call(`DELETE ${JOB}?token=${token}`)

  const answer = await waiting
  expect([answer.status, jsonOf(answer)['owner']]).toEqual([200, 'b'])
  expect(asked).toBe(3)
})

test('a grant that cannot be renewed in time is called unknown, and given back', async () => {
  const api = await lockApi()
  const token = tokenOf(await api.ask('a'))
  const waiting = api.call(`POST ${JOB}?timeout=100ms`, {
    body: { owner: 'b', ttl: '5s', wait: '1m' },
  })
  await queueOf(api, 1)
  const failure = { ok: false, failure: 'no_leader', detail: 'because' } as const
  api.registry.heartbeat = async () => failure
  await api.call(`DELETE ${JOB}?token=${token}`)

  const answer = await waiting
  expect([answer.status, jsonOf(answer)['outcome']]).toEqual([504, 'unknown'])
  while (api.registry.local.locks.lock('default', 'job', 1) !== null) await Bun.sleep(1)
  expect(await api.held()).toEqual([])
})
