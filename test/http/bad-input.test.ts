import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

const INSTANCE = '/v1/services/web/instances/web-1'
const GOOD = { address: '10.0.0.1', port: 80 }

/** Each: a name, the request line, its body and headers, the field to be named, and a hint. */
interface Case {
  readonly name: string
  readonly line: string
  readonly body?: string | Uint8Array | object
  readonly headers?: Record<string, string>
  readonly path: string
  readonly says: string
}

const put = (name: string, body: object | string, path: string, says: string): Case => ({
  name,
  line: `PUT ${INSTANCE}`,
  body,
  path,
  says,
})

const lock = (name: string, body: object, path: string, says: string): Case => ({
  name: `a lock with ${name}`,
  line: 'POST /v1/locks/job',
  body,
  path,
  says,
})

const lockBodies: readonly Case[] = [
  lock('neither ttl nor lease', { owner: 'a' }, 'ttl', 'is needed'),
  lock('a bare ttl', { owner: 'a', ttl: 5_000 }, 'ttl', 'does not say its unit'),
  lock('no owner', { ttl: '5s' }, 'owner', 'is needed'),
  lock('an empty owner', { owner: '', ttl: '5s' }, 'owner', 'must not be empty'),
  lock('a wait of an hour', { owner: 'a', ttl: '5s', wait: '1h' }, 'wait', 'to 10m'),
  lock('no permits', { owner: 'a', ttl: '5s', limit: 0 }, 'limit', 'from 1 to 1000'),
  lock('half a permit', { owner: 'a', ttl: '5s', limit: 1.5 }, 'limit', 'whole number'),
  lock('a long value', { owner: 'a', ttl: '5s', value: 'x'.repeat(4_097) }, 'value', 'longer'),
  lock('a lease of another shape', { owner: 'a', lease: 'w:a/b/1' }, 'lease', 'U+002F'),
  lock('a mistyped field', { owner: 'a', ttl: '5s', limt: 2 }, 'limt', 'did you mean "limit"?'),
  {
    name: 'a renewal without token',
    line: 'POST /v1/locks/job/renew',
    body: {},
    path: 'token',
    says: 'is needed',
  },
]

const instanceBodies: readonly Case[] = [
  put('an unknown field', { ...GOOD, prot: 1 }, 'prot', 'did you mean "port"?'),
  put('an unknown field near nothing', { ...GOOD, colour: 1 }, 'colour', 'is not a known field'),
  put('no address', { port: 80 }, 'address', 'is needed'),
  put('a port of 99999', { ...GOOD, port: 99_999 }, 'port', 'from 1 to 65535'),
  put('a port of 0', { ...GOOD, port: 0 }, 'port', 'from 1 to 65535'),
  put('a fractional port', { ...GOOD, port: 80.5 }, 'port', 'whole number'),
  put('a port as text', { ...GOOD, port: '80' }, 'port', 'whole number'),
  put('a bare number as ttl', { ...GOOD, ttl: 5_000 }, 'ttl', 'does not say its unit'),
  put('a ttl without unit', { ...GOOD, ttl: '5000' }, 'ttl', 'is not a duration'),
  put('a ttl of nothing', { ...GOOD, ttl: '0s' }, 'ttl', 'from 100ms to 720h'),
  put('a ttl of a year', { ...GOOD, ttl: '8760h' }, 'ttl', 'from 100ms to 720h'),
  put('a ttl in the wrong field', { ...GOOD, ttlMs: 5_000 }, 'ttlMs', 'write ttl with a unit'),
  put('a bare removeAfter', { ...GOOD, removeAfter: 0 }, 'removeAfter', 'bare number'),
  put('a mistyped never', { ...GOOD, removeAfter: 'nevr' }, 'removeAfter', 'must be "never"'),
  put('an unknown status', { ...GOOD, status: 'UP' }, 'status', 'starting, up, draining, down'),
  put('a negative weight', { ...GOOD, weight: -1 }, 'weight', 'from 0'),
  put('an endless weight', '{"address":"a","weight":1e999}', 'weight', 'from 0'),
  put('tags that are no list', { ...GOOD, tags: 'a' }, 'tags', 'must be a list'),
  put('a tag that is no text', { ...GOOD, tags: ['a', 1] }, 'tags.1', 'must be a string'),
  put('an empty tag', { ...GOOD, tags: [''] }, 'tags.0', 'must not be empty'),
  put('too many tags', { ...GOOD, tags: Array(65).fill('t') }, 'tags', 'more than 64'),
  put('metadata of numbers', { ...GOOD, metadata: { v: 2 } }, 'metadata.v', 'must be a string'),
  put('metadata as a list', { ...GOOD, metadata: [] }, 'metadata', 'must be an object'),
  put('65 pairs', { ...GOOD, metadata: pairs(65) }, 'metadata', 'more than 64 entries'),
  put('a control character', { ...GOOD, metadata: { 'a\n': '' } }, 'metadata', 'control'),
  put('a lone surrogate', '{"address":"a","metadata":{"k":"\\ud800"}}', 'metadata.k', 'plain text'),
  put('a NUL', { ...GOOD, metadata: { k: 'a\0b' } }, 'metadata.k', 'plain text'),
  put('a key not in NFC', { ...GOOD, metadata: { 'e\u0301': '' } }, 'metadata', 'NFC'),
  put('a prototype', '{"address":"a","metadata":{"__proto__":"x"}}', 'metadata', '"__proto__"'),
  put('a prototype at the top', '{"address":"a","__proto__":{}}', '__proto__', 'not a known field'),
  put('a bad named port', { ...GOOD, ports: { admin: -1 } }, 'ports.admin', 'from 1 to 65535'),
  put(
    'an unknown field deep inside',
    { ...GOOD, addresses: { lan: { adress: 'a', port: 1, address: 'a' } } },
    'addresses.lan.adress',
    'did you mean "address"?',
  ),
  put('an address with a port', { address: '10.0.0.1:80' }, 'address', 'IPv4'),
  put('an address with a space', { address: 'a b' }, 'address', 'host name'),
  put('an octal address', { address: '010.0.0.1' }, 'address', 'IPv4'),
  put('an address out of range', { address: '10.0.0.256' }, 'address', 'IPv4'),
  put('an IPv6 zone', { address: 'fe80::1%eth0' }, 'address', 'IPv6'),
  put('a bad zone', { ...GOOD, zone: 'a/b' }, 'zone', 'U+002F'),
  put('another id', { ...GOOD, id: 'web-2' }, 'id', 'not what the path says: "web-1"'),
  put('another service', { ...GOOD, service: 'api' }, 'service', 'not what the path says'),
  put('another namespace', { ...GOOD, ns: 'prod' }, 'ns', 'not what the path says'),
  put('no body', '', '', 'a JSON object is needed'),
  put('no JSON', '{', '', 'not valid JSON'),
  put('a list', '[]', '', 'must be a JSON object'),
  put('null', 'null', '', 'must be a JSON object'),
  put('nesting without end', '['.repeat(200_000), '', 'not valid JSON'),
]

const others: readonly Case[] = [
  {
    name: 'bytes that are no UTF-8',
    line: `PUT ${INSTANCE}`,
    body: new Uint8Array([0xff]),
    path: '',
    says: 'UTF-8',
  },
  {
    name: 'a compressed body',
    line: `PUT ${INSTANCE}`,
    body: GOOD,
    headers: { 'Content-Encoding': 'gzip' },
    path: 'Content-Encoding',
    says: 'not supported',
  },
  {
    name: 'an unknown parameter',
    line: `PUT ${INSTANCE}?tmeout=1s`,
    body: GOOD,
    path: '?tmeout',
    says: 'did you mean "timeout"?',
  },
  {
    name: 'a parameter of reads',
    line: `PUT ${INSTANCE}?consistency=stale`,
    body: GOOD,
    path: '?consistency',
    says: 'not a parameter',
  },
  {
    name: 'a repeated parameter',
    line: `PUT ${INSTANCE}?ns=a&ns=a`,
    body: GOOD,
    path: '?ns',
    says: 'more than once',
  },
  {
    name: 'a bare timeout',
    line: `PUT ${INSTANCE}?timeout=5`,
    body: GOOD,
    path: '?timeout',
    says: 'not a duration',
  },
  {
    name: 'a long timeout',
    line: `PUT ${INSTANCE}?timeout=2h`,
    body: GOOD,
    path: '?timeout',
    says: 'from 0s to 1m',
  },
  {
    name: 'broken percent-encoding',
    line: `PUT ${INSTANCE}?ns=%ff`,
    body: GOOD,
    path: '?ns',
    says: 'percent-encoding',
  },
  {
    name: 'two namespaces',
    line: `PUT ${INSTANCE}?ns=a`,
    headers: { 'Rollcall-Namespace': 'b' },
    body: GOOD,
    path: '?ns',
    says: 'another namespace',
  },
  {
    name: 'a bad namespace',
    line: `PUT ${INSTANCE}`,
    headers: { 'Rollcall-Namespace': 'a/b' },
    body: GOOD,
    path: 'Rollcall-Namespace',
    says: 'U+002F',
  },
  {
    name: 'an idempotency key with a slash',
    line: `PUT ${INSTANCE}`,
    headers: { 'Idempotency-Key': 'a/b' },
    body: GOOD,
    path: 'Idempotency-Key',
    says: 'U+002F',
  },
  {
    name: 'an idempotency key without a character',
    line: `PUT ${INSTANCE}`,
    headers: { 'Idempotency-Key': '""' },
    body: GOOD,
    path: 'Idempotency-Key',
    says: 'must not be empty',
  },
  {
    name: 'an idempotency key that is too long',
    line: `PUT ${INSTANCE}`,
    headers: { 'Idempotency-Key': 'k'.repeat(129) },
    body: GOOD,
    path: 'Idempotency-Key',
    says: 'longer than 128',
  },
  {
    name: 'a fence without a token',
    line: 'PUT /v1/config/a',
    headers: { 'Rollcall-Lock': 'l' },
    body: 'x',
    path: 'Rollcall-Lock',
    says: '<name>=<token>',
  },
  {
    name: 'a fence with a token that no grant has',
    line: 'PUT /v1/config/a',
    headers: { 'Rollcall-Lock': 'l=1, m=0' },
    body: 'x',
    path: 'Rollcall-Lock',
    says: '<name>=<token>',
  },
  {
    name: 'a fence of a lock that cannot be',
    line: 'PUT /v1/config/a',
    headers: { 'Rollcall-Lock': 'a/b=1' },
    body: 'x',
    path: 'Rollcall-Lock',
    says: 'U+002F',
  },
  {
    name: 'a fence on a heartbeat',
    line: `POST ${INSTANCE}/heartbeat`,
    headers: { 'Rollcall-Lock': 'l=1' },
    body: '',
    path: 'Rollcall-Lock',
    says: 'no meaning for this call',
  },
  {
    name: 'a strange If-Match',
    line: `PUT ${INSTANCE}`,
    headers: { 'If-Match': '"abc"' },
    body: GOOD,
    path: 'If-Match',
    says: 'entity tag',
  },
  {
    name: 'an If-None-Match of a version',
    line: `PUT ${INSTANCE}`,
    headers: { 'If-None-Match': '"3"' },
    body: GOOD,
    path: 'If-None-Match',
    says: 'only be *',
  },
  {
    name: 'If-Match of a heartbeat',
    line: `POST ${INSTANCE}/heartbeat`,
    headers: { 'If-Match': '"3"' },
    path: 'If-Match',
    says: 'no meaning',
  },
  {
    name: 'a name with a slash',
    line: 'PUT /v1/services/a%2Fb/instances/x',
    body: GOOD,
    path: 'service',
    says: 'U+002F',
  },
  {
    name: 'a name with a space',
    line: 'PUT /v1/services/web/instances/a%20b',
    body: GOOD,
    path: 'id',
    says: 'U+0020',
  },
  {
    name: 'a name with a NUL',
    line: 'PUT /v1/services/web/instances/a%00',
    body: GOOD,
    path: 'id',
    says: 'U+0000',
  },
  {
    name: 'a name decoded twice',
    line: 'PUT /v1/services/web/instances/a%252Fb',
    body: GOOD,
    path: 'id',
    says: 'U+0025',
  },
  {
    name: 'a name too long',
    line: `PUT /v1/services/web/instances/${'x'.repeat(129)}`,
    body: GOOD,
    path: 'id',
    says: '128',
  },
  {
    name: 'a broken name',
    line: 'PUT /v1/services/web/instances/%c3',
    body: GOOD,
    path: 'id',
    says: 'percent-encoding',
  },
  {
    name: 'an empty name',
    line: 'PUT /v1/services//instances/x',
    body: GOOD,
    path: 'path',
    says: 'empty segment',
  },
  {
    name: 'a key with dot segments',
    line: 'PUT /v1/config/a%2F..%2Fb',
    body: 'x',
    path: 'key',
    says: 'dot segment',
  },
  {
    name: 'a key with an empty segment',
    line: 'PUT /v1/config/a%2F%2Fb',
    body: 'x',
    path: 'key',
    says: 'empty segment',
  },
  {
    name: 'a key that ends in a slash',
    line: 'PUT /v1/config/a/',
    body: 'x',
    path: 'key',
    says: 'end in "/"',
  },
  { name: 'no key', line: 'PUT /v1/config/', body: 'x', path: 'path', says: 'empty segment' },
  {
    name: 'a key too long',
    line: `PUT /v1/config/${'k'.repeat(513)}`,
    body: 'x',
    path: 'key',
    says: '512',
  },
  {
    name: 'a key not in NFC',
    line: 'PUT /v1/config/e%CC%81',
    body: 'x',
    path: 'key',
    says: 'U+0301',
  },
  {
    name: 'no media type',
    line: 'PUT /v1/config/a',
    headers: { 'Content-Type': 'json' },
    body: 'x',
    path: 'Content-Type',
    says: 'not a media type',
  },
  {
    name: 'a version to write',
    line: 'PUT /v1/config/a?version=2',
    body: 'x',
    path: '?version',
    says: 'not a parameter',
  },
  {
    name: 'a patch without address',
    line: `PATCH ${INSTANCE}`,
    body: { address: null },
    path: 'address',
    says: 'must be a string',
  },
  {
    name: 'a beat with strange health',
    line: `POST ${INSTANCE}/heartbeat`,
    body: { health: 'ok' },
    path: 'health',
    says: 'passing',
  },
  {
    name: 'beats of everything',
    line: 'POST /v1/heartbeats',
    body: { leases: Array(10_001).fill('l') },
    path: 'leases',
    says: 'more than 10000',
  },
  {
    name: 'beats without names',
    line: 'POST /v1/heartbeats',
    body: { instances: [{ service: 'web' }] },
    path: 'instances.0.id',
    says: 'is needed',
  },
  {
    name: 'an empty override',
    line: `PUT ${INSTANCE}/override`,
    body: { reason: 'x' },
    path: 'status',
    says: 'or weight is needed',
  },
  {
    name: 'a lease without ttl',
    line: 'POST /v1/leases',
    body: {},
    path: 'ttl',
    says: 'is needed',
  },
  {
    name: 'a lease of another shape',
    line: 'DELETE /v1/leases/i:default%2Fweb%2Fa',
    path: 'id',
    says: 'U+002F',
  },
  ...lockBodies,
  {
    name: 'a release of nothing in particular',
    line: 'DELETE /v1/locks/job',
    path: '?token',
    says: 'is needed',
  },
  {
    name: 'a token that is none',
    line: 'DELETE /v1/locks/job?token=x',
    path: '?token',
    says: 'whole number',
  },
  {
    name: 'a lock with a slash',
    line: 'POST /v1/locks/a%2Fb',
    body: { owner: 'a', ttl: '5s' },
    path: 'name',
    says: 'U+002F',
  },
  {
    name: 'a threshold above 1',
    line: 'PUT /v1/services/web/settings',
    body: { protectThreshold: 2 },
    path: 'protectThreshold',
    says: 'from 0 to 1',
  },
]

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']))
}

test.each([...instanceBodies, ...others])(
  'a write with $name is 400, names the field, and proposes nothing',
  async ({ line, body, headers = {}, path, says }) => {
    const { call, registry } = await testApi()

    const answer = await call(line, { headers, ...(body === undefined ? {} : { body }) })

    expect(answer.status).toBe(400)
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    const problem = jsonOf(answer)
    expect(problem).toMatchObject({
      type: '/problems/invalid_request',
      status: 400,
      code: 'invalid_request',
      outcome: 'not_applied',
    })
    const issues = problem['issues'] as { path: string; message: string }[]
    const issue = issues.find((candidate) => candidate.path === path)
    expect(issue, JSON.stringify(issues)).toBeDefined()
    expect(issue?.message).toContain(says)
    expect(registry.proposed).toEqual([])
  },
)

test.each([
  ['/v1/services/web?consistancy=stale', '?consistancy', 'did you mean "consistency"?'],
  ['/v1/services/web?consistency=strong', '?consistency', 'lease, linearizable, stale'],
  ['/v1/services/web?max-staleness=1s', '?max-staleness', 'consistency=stale'],
  ['/v1/services/web?min-revision=-1', '?min-revision', 'whole number'],
  ['/v1/services/web?min-revision=1e3', '?min-revision', 'whole number'],
  ['/v1/services/web?wait=30s', '?wait', 'needs since'],
  ['/v1/services/web?since=1&wait=11m', '?wait', 'from 0s to 10m'],
  ['/v1/services/web?since=1&wait=10m&consistency=x', '?consistency', 'must be one of'],
  ['/v1/services/web?available=yes', '?available', 'true, false'],
  ['/v1/services/web?status=up&status=down', '?status', 'more than once'],
  ['/v1/services/web?metadata.=1', '?metadata.', 'needs the key'],
  ['/v1/services?limit=0', '?limit', 'from 1 to 1000'],
  ['/v1/services?limit=1001', '?limit', 'from 1 to 1000'],
  ['/v1/services?cursor=!', '?cursor', 'not a cursor'],
  ['/v1/config?prefix=a//', '?prefix', 'empty segment'],
  ['/v1/config/a?version=0', '?version', 'from 1 to'],
  ['/v1/config/a?version=x', '?version', 'from 1 to'],
  ['/v1/config/a?version=1&since=2', '?since', 'not a parameter'],
  ['/v1/config-history/a?cursor=x', '?cursor', 'not a cursor'],
  ['/v1/config-history/a//b', 'key', 'empty segment'],
  ['/v1/config/a?labels=zone', '?labels', 'zone=eu'],
  ['/v1/config/a?labels=zone=eu,zone=us', '?labels', 'twice'],
  ['/v1/config/a?labels=zone=e/u', '?labels', 'U+002F'],
  ['/v1/config-stages/a', 'stage', 'is missing'],
  ['/v1/config-stages?key=a&prefix=b', '?prefix', 'not a parameter'],
  ['/v1/status?x', '?x', 'not a parameter'],
  ['/livez?verbos', '?verbos', 'did you mean "verbose"?'],
] as const)('GET %s is 400 about %s', async (path, field, says) => {
  const { call, registry } = await testApi()

  const answer = await call(`GET ${path}`)

  expect(answer.status).toBe(400)
  const { issues, ...problem } = jsonOf(answer)
  expect(issues).toEqual([{ path: field, message: expect.stringContaining(says) }])
  expect(problem).not.toHaveProperty('outcome')
  expect(registry.reads).toEqual([])
})

const CHUNK = new Uint8Array(65_536)

test.each([
  ['declared', { 'Content-Length': '1048577' }, 'x'],
  ['streamed', {}, 'x'.repeat(1_048_577)],
  ['with a length that is no number', { 'Content-Length': 'many' }, 'x'],
] as const)('a body too large, %s, is 413 and proposes nothing', async (_, headers, body) => {
  const { call, registry } = await testApi()

  const answer = await call('PUT /v1/config/big', { headers, body })

  expect(answer.status).toBe(413)
  expect(jsonOf(answer)).toMatchObject({
    code: 'too_large',
    outcome: 'not_applied',
    limit: 1_048_576,
  })
  expect(registry.proposed).toEqual([])
})

test('a body of exactly the limit is stored', async () => {
  const { call } = await testApi()
  expect((await call('PUT /v1/config/big', { body: 'x'.repeat(1_048_576) })).status).toBe(201)
})

test('a stream without end is not read to its end', async () => {
  const { app } = await testApi()
  let pulled = 0
  const body = new ReadableStream({
    pull: (controller) => {
      pulled += 1
      controller.enqueue(CHUNK)
    },
  })

  const answer = await app.request('/v1/config/big', { method: 'PUT', body })

  expect(answer.status).toBe(413)
  expect(pulled).toBeLessThan(30) // 16 chunks are the limit.
})

test('a body that breaks off is 400 and proposes nothing', async () => {
  const { app, registry } = await testApi()
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })

  const answer = await app.request('/v1/config/k', { method: 'PUT', body })

  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code: 'invalid_request', outcome: 'not_applied' })
  expect(registry.proposed).toEqual([])
})
