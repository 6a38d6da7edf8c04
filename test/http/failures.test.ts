import { expect, test } from 'bun:test'

import { API_ERRORS } from '../../src/http/error.ts'
import { createApp } from '../../src/http/mod.ts'
import type { Failure } from '../../src/http/registry.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { jsonOf, testApi } from './support.ts'

const WRITES = [
  'PUT /v1/services/web/instances/a',
  'PATCH /v1/services/web/instances/a',
  'DELETE /v1/services/web/instances/a',
  'PUT /v1/services/web/instances/a/override',
  'DELETE /v1/nodes/h/override',
  'PUT /v1/services/web/settings',
  'POST /v1/services/web/instances/a/heartbeat',
  'POST /v1/heartbeats',
  'POST /v1/leases',
  'POST /v1/leases/l/heartbeat',
  'DELETE /v1/leases/l',
  'POST /v1/locks/l',
  'POST /v1/locks/l/renew',
  'DELETE /v1/locks/l?token=1',
  'PUT /v1/config/k',
  'DELETE /v1/config/k',
] as const

/** One body that suits every write above. */
const BODIES: Readonly<Record<string, object>> = {
  'PUT /v1/services/web/instances/a': { address: 'a' },
  'PATCH /v1/services/web/instances/a': { weight: 2 },
  'PUT /v1/services/web/instances/a/override': { weight: 2 },
  'PUT /v1/services/web/settings': {},
  'POST /v1/heartbeats': { instances: [{ service: 'web', id: 'a' }] },
  'POST /v1/leases': { ttl: '1s' },
  'POST /v1/locks/l': { owner: 'a', ttl: '1s' },
  'POST /v1/locks/l/renew': { token: 1 },
}

const FAILURES: readonly (readonly [Failure['failure'], number, string])[] = [
  ['no_leader', 503, 'not_applied'],
  ['too_many_requests', 429, 'not_applied'],
  ['outcome_unknown', 504, 'unknown'],
]

test.each(
  WRITES.flatMap((line) =>
    FAILURES.map(([failure, status, outcome]) => [line, failure, status, outcome] as const),
  ),
)('%s that ends with %s is %d, its outcome %s', async (line, failure, status, outcome) => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure, detail: 'because' }
  const body = BODIES[line]

  const answer = await call(line, body === undefined ? {} : { body })

  expect(answer.status).toBe(status)
  expect(jsonOf(answer)).toEqual({
    type: `/problems/${failure}`,
    title: API_ERRORS[failure].title,
    status,
    detail: 'because',
    code: failure,
    outcome,
  })
  expect(answer.headers.get('Retry-After')).toBe(status === 504 ? null : '1')
  expect(answer.headers.get('Rollcall-Node')).toBe('n1')
})

test.each([
  ['no_leader', 503],
  ['too_stale', 503],
  ['too_many_requests', 429],
] as const)('a read that ends with %s is %d, without an outcome', async (failure, status) => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure, detail: 'because' }
  const answer = await call('GET /v1/services/web')
  expect(answer.status).toBe(status)
  expect(jsonOf(answer)).toMatchObject({ code: failure })
  expect(jsonOf(answer)).not.toHaveProperty('outcome')
  expect(answer.headers.get('Retry-After')).toBe('1')
  expect(answer.headers.get('Rollcall-Consistency')).toBeNull()
})

test('without a leader no answer names one', async () => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure: 'no_leader', detail: 'because' }
  expect((await call('GET /v1/services')).headers.get('Rollcall-Leader')).toBeNull()
})

test('an unexpected error is 500, unknown for a write, and tells nothing but to the log', async () => {
  const { registry } = await testApi()
  const logged: unknown[] = []
  const logger = { ...silentLogger, error: (...line: unknown[]) => void logged.push(line) }
  const app = createApp({ registry, version: '1', logger })
  registry.propose = () => Promise.reject(new Error('secret'))
  registry.read = () => Promise.reject(new Error('secret'))
  registry.isLeader = false

  const write = await app.request('/v1/config/k', { method: 'PUT', body: 'x' })
  const read = await app.request('/v1/config/k')
  registry.readNow = () => {
    throw new Error('secret')
  }
  const readNow = await app.request('/v1/config/k')

  const expected = { type: '/problems/internal', status: 500, code: 'internal' }
  const body = (await write.json()) as object
  expect(body).toMatchObject({ ...expected, outcome: 'unknown' })
  expect(JSON.stringify(body)).not.toContain('secret')
  expect(JSON.stringify(body)).not.toContain('.ts')
  for (const answer of [read, readNow]) {
    expect(answer.status).toBe(500)
    expect(await answer.json()).not.toHaveProperty('outcome')
  }
  expect(logged).toHaveLength(3)
})

test('only what may have been appended is unknown', () => {
  const unknown = Object.entries(API_ERRORS).filter(([, { outcome }]) => outcome === 'unknown')
  expect(unknown.map(([code]) => code)).toEqual(['internal', 'outcome_unknown'])
})
