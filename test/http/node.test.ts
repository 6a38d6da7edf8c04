import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

test('GET /v1/status is about this node', async () => {
  const { call } = await testApi()
  const status = jsonOf(await call('GET /v1/status'))
  expect(status).toMatchObject({
    id: 'n1',
    version: '1.2.3',
    role: 'leader',
    leader: 'n1',
    recovery: 'synced',
    leaseRemainingMs: 500,
    storage: { walBytes: 64, snapshotIndex: 0, stateBytes: 128 },
  })
  expect(status).not.toHaveProperty('waitingFor')
})

test('GET /v1/status has no lease where there is none', async () => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure: 'no_leader', detail: 'because' }
  const status = jsonOf(await call('GET /v1/status'))
  expect(status).toMatchObject({ role: 'candidate', leader: null, recovery: 'idle' })
  expect(status).not.toHaveProperty('leaseRemainingMs')
})

test('GET /v1/cluster is about all nodes', async () => {
  const { call } = await testApi()
  expect(jsonOf(await call('GET /v1/cluster?timeout=1s'))).toEqual({
    clusterId: 'c1',
    clusterVersion: 1,
    term: 1,
    leader: 'n1',
    revision: 0,
    members: [],
    degraded: false,
    change: null,
  })
})

test.each(['/livez', '/readyz', '/health'])('GET %s is 200 when all is well', async (path) => {
  const { call } = await testApi()
  const answer = await call(`GET ${path}`)
  expect([answer.status, answer.text]).toEqual([200, 'ok\n'])
  expect((await call(`GET ${path}?verbose`)).text).toStartWith('[+] ')
})

test('without a leader a node lives, but is not ready, and says why', async () => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure: 'no_leader', detail: 'because' }
  expect((await call('GET /livez')).status).toBe(200)
  const answer = await call('GET /readyz')
  expect(answer.status).toBe(503)
  expect(answer.text).toBe('[-] leader: no leader is known\n[-] recovery: it is idle\n')
  expect(answer.headers.get('Retry-After')).toBe('1')
})

test('GET /metrics is in the text format of Prometheus', async () => {
  const { call } = await testApi()
  await call('GET /v1/services')
  await call('GET /v1/services')
  await call('GET /v1/config/a/b')
  await call('GET /nowhere')
  await call('PROPFIND /coffee')

  const answer = await call('GET /metrics')

  expect(answer.headers.get('Content-Type')).toStartWith('text/plain; version=0.0.4')
  const lines = answer.text.split('\n')
  for (const line of [
    '# TYPE rollcall_build_info gauge',
    'rollcall_build_info{version="1.2.3",sqlite="bun"} 1',
    'rollcall_role{role="leader"} 1',
    'rollcall_role{role="follower"} 0',
    'rollcall_uptime_seconds 1.5',
    '# TYPE rollcall_heartbeats_total counter',
    'rollcall_heartbeats_total 3',
    '# TYPE rollcall_log_bytes gauge',
    'rollcall_log_bytes 64',
    '# TYPE rollcall_http_requests_total counter',
    'rollcall_http_requests_total{method="GET",route="/v1/services",status="200"} 2',
    'rollcall_http_requests_total{method="GET",route="/v1/config/{key}",status="404"} 1',
    'rollcall_http_requests_total{method="GET",route="none",status="404"} 1',
    'rollcall_http_requests_total{method="OTHER",route="none",status="404"} 1',
  ]) {
    expect(lines).toContain(line)
  }
  const shape = /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{.+\})? [0-9.]+|)$/
  expect(lines.filter((line) => !shape.test(line))).toEqual([])
})

test('each metric is described once, before its samples', async () => {
  const { call } = await testApi()
  const { text } = await call('GET /metrics')
  const described = Array.from(text.matchAll(/^# TYPE (\S+)/gm), (match) => match[1])
  expect(new Set(described).size).toBe(described.length)
  for (const [, name = ''] of text.matchAll(/^([a-z_]+)[{ ]/gm)) expect(described).toContain(name)
})

test.each(['text/html', '*/*'])('GET / as %s gives five lines to try', async (accept) => {
  const { call } = await testApi()
  const answer = await call('GET /', { headers: { Accept: accept } })
  const lines = answer.text.trimEnd().split('\n')
  expect(answer.headers.get('Content-Type')).toStartWith('text/plain')
  expect(lines).toHaveLength(5)
  for (const line of lines) expect(line).toMatch(/^curl .*http:\/\/127\.0\.0\.1:7401\/v1\//)
})
