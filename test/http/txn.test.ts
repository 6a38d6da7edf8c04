/** `POST /v1/txn` (API.md "Transactions"). */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'

import { jsonOf, testApi } from './support.ts'

const PUT = { op: 'config.put', key: 'app/a', value: 'x' }

test('every operation answers as it would by itself', async () => {
  const { call } = await testApi()
  const instance = { service: 'web', id: 'a' }
  const answer = await call('POST /v1/txn', {
    body: {
      then: [
        { op: 'config.get', key: 'app/a' },
        PUT,
        { ...PUT, value: undefined, valueBase64: '/w==', contentType: 'x/y', comment: 'why' },
        { op: 'config.get', key: 'app/a' },
        { op: 'config.delete', key: 'app/a' },
        { op: 'config.rollback', key: 'app/a', to: 1 },
        { op: 'instance.put', ...instance, address: '10.0.0.1', ttl: '10s' },
        { op: 'instance.patch', ...instance, weight: 3 },
        { op: 'instance.delete', ...instance },
      ],
    },
  })

  expect(answer.status).toBe(200)
  const { revision, ...rest } = jsonOf(answer)
  expect(answer.headers.get('Rollcall-Revision')).toBe(String(revision))
  expect(rest).toEqual({
    succeeded: true,
    results: [
      { op: 'config.get', status: 404, key: 'app/a' },
      { op: 'config.put', status: 201, version: 1, revision },
      { op: 'config.put', status: 200, version: 2, revision },
      {
        op: 'config.get',
        status: 200,
        key: 'app/a',
        version: 2,
        revision,
        contentType: 'x/y',
        valueBase64: '/w==',
      },
      { op: 'config.delete', status: 204 },
      { op: 'config.rollback', status: 200, version: 3, revision },
      { op: 'instance.put', status: 201, revision },
      { op: 'instance.patch', status: 200, revision },
      { op: 'instance.delete', status: 204 },
    ],
  })
})

test('where a condition does not hold the other branch is done', async () => {
  const { call, registry } = await testApi()
  await call('PUT /v1/config/app/a', { body: 'x' })
  const body = {
    if: [
      { config: 'app/a', version: 1 },
      { config: 'app/a', value: 'y' },
      { config: 'app/b', version: 0 },
      { lock: 'l', token: 5 },
      { instance: { service: 'web', id: 'a' }, exists: false },
      { lease: 'x', exists: false },
    ],
    then: [{ ...PUT, key: 'never' }],
    else: [{ op: 'config.get', key: 'app/a' }],
  }

  const answer = await call('POST /v1/txn', { body })

  expect(jsonOf(answer)).toMatchObject({
    succeeded: false,
    results: [{ op: 'config.get', status: 200, version: 1, value: 'x' }],
  })
  expect(registry.local.config('default', 'never')).toBeNull()
})

test('one that fails aborts all, with its own code and its position', async () => {
  const { call, registry } = await testApi()
  const patch = { op: 'instance.patch', service: 'web', id: 'none', weight: 1 }

  const answer = await call('POST /v1/txn', { body: { then: [PUT, patch, PUT] } })

  expect(answer.status).toBe(404)
  expect(jsonOf(answer)).toMatchObject({ code: 'not_found', failed: 1, outcome: 'not_applied' })
  expect(registry.local.config('default', 'app/a')).toBeNull()
})

test('the namespace is that of the call, for conditions and operations alike', async () => {
  const { call, registry } = await testApi()
  const body = { if: [{ config: 'app/a', version: 0 }], then: [PUT] }
  await call('PUT /v1/config/app/a', { body: 'x' })

  const answer = await call('POST /v1/txn?ns=other', { body })

  expect(jsonOf(answer)).toMatchObject({ succeeded: true })
  expect(registry.local.config('other', 'app/a')?.version).toBe(1)
})

const many = (n: number) => Array.from({ length: n }, () => PUT)

test('as many operations as are allowed', async () => {
  const { call } = await testApi()
  expect((await call('POST /v1/txn', { body: { then: many(128) } })).status).toBe(200)
})

test.each([
  ['no body', undefined, '', 'needed'],
  ['a list', [], '', 'must be a JSON object'],
  ['an unknown field', { thn: [] }, 'thn', 'did you mean "then"'],
  ['no list', { then: {} }, 'then', 'must be a list'],
  ['too many operations', { then: many(129) }, 'then', 'more than 128'],
  ['too many conditions', { if: Array.from({ length: 129 }, () => ({})) }, 'if', 'more than 128'],
  ['no object', { then: [7] }, 'then.0', 'must be an object'],
  ['no operation', { then: [{}] }, 'then.0.op', 'must be one of config.put'],
  ['a misspelt one', { else: [{ op: 'config.putt' }] }, 'else.0.op', 'did you mean "config.put"'],
  ['a foreign one', { then: [{ op: 'toString' }] }, 'then.0.op', 'must be one of'],
  ['no key', { then: [{ op: 'config.get' }] }, 'then.0.key', 'is needed'],
  ['a bad key', { then: [PUT, { ...PUT, key: 'a//b' }] }, 'then.1.key', 'empty segment'],
  ['no version', { then: [{ op: 'config.rollback', key: 'a', to: 0 }] }, 'then.0.to', 'from 1'],
  ['no value', { then: [{ op: 'config.put', key: 'a' }] }, 'then.0.value', 'one of the two'],
  ['two values', { then: [{ ...PUT, valueBase64: '' }] }, 'then.0.value', 'one of the two'],
  [
    'no base64',
    { then: [{ ...PUT, value: undefined, valueBase64: '?' }] },
    'then.0.valueBase64',
    'not base64',
  ],
  [
    'a bad type',
    { then: [{ ...PUT, contentType: 'x' }] },
    'then.0.contentType',
    'not a media type',
  ],
  [
    'a field of another',
    { then: [{ op: 'config.get', key: 'a', value: 'x' }] },
    'then.0.value',
    'not a known field',
  ],
  ['no instance', { then: [{ op: 'instance.put', address: 'h' }] }, 'then.0.service', 'is needed'],
  [
    'a bad instance',
    { then: [{ op: 'instance.put', service: 'w', id: 'a' }] },
    'then.0.address',
    'is needed',
  ],
  [
    'a bad port',
    { then: [{ op: 'instance.patch', service: 'w', id: 'a', port: 0 }] },
    'then.0.port',
    'from 1',
  ],
  ['a condition on nothing', { if: [{}] }, 'if.0', 'must be about one of config'],
  ['one on a slip', { if: [{ confg: 'a', version: 1 }] }, 'if.0', 'did you mean "config"?'],
  ['one on two things', { if: [{ config: 'a', lock: 'l' }] }, 'if.0', 'must be about one of'],
  ['one without a value', { if: [{ config: 'a' }] }, 'if.0.value', 'one of the two'],
  ['one with both', { if: [{ config: 'a', version: 1, value: '' }] }, 'if.0', 'not both'],
  ['a token that is none', { if: [{ lock: 'l', token: 0 }] }, 'if.0.token', 'from 1'],
  ['a version that is none', { if: [{ config: 'a', version: -1 }] }, 'if.0.version', 'from 0'],
  ['exists unsaid', { if: [{ lease: 'l' }] }, 'if.0.exists', 'is needed'],
  [
    'half an instance',
    { if: [{ instance: { service: 'w' }, exists: true }] },
    'if.0.instance.id',
    'is needed',
  ],
] as const)('%s is 400 and proposes nothing', async (_, body, path, says) => {
  const { call, registry } = await testApi()
  const answer = await call('POST /v1/txn', body === undefined ? {} : { body })
  expect(answer.status).toBe(400)
  const [issue] = jsonOf(answer)['issues'] as readonly { path: string; message: string }[]
  expect(issue?.path).toBe(path)
  expect(issue?.message).toContain(says)
  expect(registry.proposed).toEqual([])
})

test('a condition of HTTP is refused: a transaction has its own', async () => {
  const { call } = await testApi()
  const answer = await call('POST /v1/txn', { body: {}, headers: { 'If-Match': '"1"' } })
  expect(answer.status).toBe(400)
})

/** Fields that bodies know, and values that do not belong into them. */
const FIELDS = [
  'op',
  'key',
  'value',
  'valueBase64',
  'service',
  'id',
  'address',
  'config',
  'version',
]
const fields = fc.constantFrom(
  ...FIELDS,
  'lock',
  'token',
  'lease',
  'exists',
  'instance',
  '__proto__',
)
const words = fc.constantFrom(
  'config.put',
  'config.get',
  'instance.put',
  'a',
  'app/a',
  '\ud800',
  '',
)
const leaf = fc.oneof(words, fc.jsonValue({ maxDepth: 2 }))
const item = fc.oneof(
  leaf,
  fc.array(fc.tuple(fields, leaf), { maxLength: 6 }).map((pairs) => Object.fromEntries(pairs)),
)
const list = fc.oneof(fc.array(item, { maxLength: 4 }), leaf)
const hostile = fc.record({ if: list, then: list, else: list }, { requiredKeys: [] })

test('no body makes it fail otherwise than with a code, and what is refused changes nothing', async () => {
  const { call, registry } = await testApi()
  await fc.assert(
    fc.asyncProperty(hostile, async (body) => {
      const hash = registry.local.stateHash()
      const answer = await call('POST /v1/txn', { body: JSON.stringify(body) })

      expect([200, 400, 404]).toContain(answer.status)
      if (answer.status === 200) return
      expect(registry.local.stateHash()).toBe(hash)
      expect(jsonOf(answer)).toMatchObject({ outcome: 'not_applied' })
    }),
    { numRuns: 500 },
  )
})

test('any bytes as a key of idempotency are taken as one or refused', async () => {
  const { call, registry } = await testApi()
  const keys = fc.string({
    unit: fc.integer({ min: 33, max: 126 }).map((c) => String.fromCharCode(c)),
    maxLength: 200,
  })
  await fc.assert(
    fc.asyncProperty(keys, async (key) => {
      const proposed = registry.proposed.length
      const answer = await call('DELETE /v1/config/a', { headers: { 'Idempotency-Key': key } })
      const good =
        /^(?:"[\w.\-:@~+]{1,128}"|[\w.\-:@~+]{1,128})$/.test(key) && !/^"?\.\.?"?$/.test(key)
      expect([key, answer.status]).toEqual([key, good ? 204 : 400])
      expect(registry.proposed.length - proposed).toBe(good ? 1 : 0)
    }),
    { numRuns: 300 },
  )
})
