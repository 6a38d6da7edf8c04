/** A witness has no state: what is about the state it passes on to the leader, whole. */
import { expect, test } from 'bun:test'
import type { NodeStatus } from '../../src/http/mod.ts'
import { jsonOf, testApi } from './support.ts'

const LEADER = 'http://10.0.0.1:7400'

/** The API of a witness, whose leader answers as `leads` does. */
async function witness(leads: (request: Request, tries: number) => Response | Promise<Response>) {
  const asked: Request[] = []
  const api = await testApi({
    forward: async (request) => {
      asked.push(request)
      return leads(request, asked.length)
    },
  })
  const own = api.registry.status.bind(api.registry)
  const known = { leader: 'n1' as string | null, leaderUrl: LEADER as string | null }
  api.registry.status = (): NodeStatus => ({ ...own(), id: 'n3', role: 'witness', ...known })
  return { ...api, asked, known }
}

const refused = (): never => {
  throw Object.assign(new Error('nobody listens'), { code: 'ConnectionRefused' })
}
const ok = () => new Response('ok')
const broken = (): never => {
  throw Object.assign(new Error('the link broke'), { code: 'ECONNRESET' })
}

test('a request is passed on with method, path, query, body and headers, the answer given back', async () => {
  const headers = { 'Rollcall-Node': 'n1', 'Rollcall-Revision': '7', ETag: '"7"' }
  const { call, asked } = await witness(() => new Response('made', { status: 201, headers }))

  const answer = await call('PUT /v1/config/a%20b?comment=x%26y', {
    body: 'value',
    headers: { 'Idempotency-Key': 'k1', 'Content-Type': 'text/plain', 'Sec-Fetch-Site': 'none' },
  })

  expect([answer.status, answer.text]).toEqual([201, 'made'])
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'rollcall-node': 'n1',
    'rollcall-revision': '7',
    etag: '"7"',
  })
  const [request] = asked
  expect([request?.method, request?.url]).toEqual([
    'PUT',
    `${LEADER}/v1/config/a%20b?comment=x%26y`,
  ])
  expect(await request?.text()).toBe('value')
  expect(request?.headers.get('Idempotency-Key')).toBe('k1')
  expect(request?.headers.get('Sec-Fetch-Site')).toBeNull()
})

test('below where it is mounted, the path of the API alone is passed on', async () => {
  const { app, asked } = await witness(ok)

  const answers = [
    await app.request('/a/registry/v1/config/a%2Fb?ns=x', {}, { below: 2 }),
    await app.request('/a/registry/livez', {}, { below: 2 }),
  ]

  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect(asked.map(({ url }) => url)).toEqual([`${LEADER}/v1/config/a%2Fb?ns=x`])
})

test.each(['/livez', '/readyz', '/metrics', '/v1/status', '/v1/cluster'])(
  'GET %s is about this node, and answered here',
  async (path) => {
    const { call, asked } = await witness(refused)
    expect((await call(`GET ${path}`)).status).toBe(200)
    expect(asked).toEqual([])
  },
)

test.each(['consistency=stale', 'since=3&wait=1s', 'wait=1s'])(
  'GET ?%s would be its own word: refused, with the reason',
  async (query) => {
    const { call, asked } = await witness(refused)
    const answer = await call(`GET /v1/services/web?${query}`)
    expect([answer.status, jsonOf(answer)['code']]).toEqual([503, 'too_stale'])
    expect(jsonOf(answer)['detail']).toContain('n3 is a witness')
    expect([answer.headers.get('rollcall-node'), asked]).toEqual(['n3', []])
  },
)

test('what never reached the leader is sent again; a read, too, that was cut off', async () => {
  const write = await witness((_, tries) => (tries < 3 ? refused() : ok()))
  expect((await write.call('PUT /v1/config/k', { body: 'v' })).text).toBe('ok')
  expect(write.asked).toHaveLength(3)
  const read = await witness((_, tries) => (tries < 2 ? broken() : ok()))
  expect((await read.call('GET /v1/config/k')).text).toBe('ok')
})

test('a write that was cut off may have happened, and is not sent again', async () => {
  const { call, asked } = await witness(broken)
  const answer = await call('PUT /v1/config/k', { body: 'v' })
  expect([answer.status, jsonOf(answer)['outcome']]).toEqual([504, 'unknown'])
  expect(asked).toHaveLength(1)
})

test('without a leader, or without its address, nothing is applied', async () => {
  const { call, known, asked } = await witness(refused)
  known.leaderUrl = null
  const hidden = await call('PUT /v1/config/k?timeout=1m', { body: 'v' }) // Time would not help.
  expect([hidden.status, jsonOf(hidden)['code'], jsonOf(hidden)['outcome']]).toEqual([
    503,
    'no_leader',
    'not_applied',
  ])
  expect(jsonOf(hidden)['detail']).toContain('n1 leads and only dials')
  known.leader = null
  expect(jsonOf(await call('GET /v1/config/k?timeout=0s'))['detail']).toContain('no leader')
  known.leaderUrl = LEADER
  const late = await call('PUT /v1/config/k?timeout=0s', { body: 'v' })
  expect(jsonOf(late)).toMatchObject({ code: 'no_leader', outcome: 'not_applied' })
  expect(asked).toHaveLength(1)
})

test('a request that was passed on once goes no further', async () => {
  const { call, asked } = await witness(refused)
  const answer = await call('GET /v1/config/k', { headers: { 'Rollcall-Forwarded-By': 'n4' } })
  expect([answer.status, jsonOf(answer)['code'], asked]).toEqual([503, 'no_leader', []])
})

test('what a browser sent for another site goes nowhere', async () => {
  const { call, asked } = await witness(refused)
  const answer = await call('GET /v1/config/k', { headers: { 'Sec-Fetch-Site': 'cross-site' } })
  expect([answer.status, asked]).toEqual([403, []])
})

test('a lock is waited for at the leader: its answer may take as long as the wait', async () => {
  let isOpen = false
  const { app, asked } = await witness(() => new Response('{"token":7}'))
  const body = JSON.stringify({ owner: 'me', ttl: '5s', wait: '10m' })
  const env = { keepOpen: () => (isOpen = true) }

  const answer = await app.request('/v1/locks/job', { method: 'POST', body }, env)

  expect(await answer.json()).toEqual({ token: 7 })
  expect(isOpen).toBe(true)
  expect(await asked[0]?.json()).toMatchObject({ wait: '10m' })
})
