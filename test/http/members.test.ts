import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

const PATH = '/v1/cluster/members'
const URL4 = 'http://10.0.0.4:7400'

test('POST, PUT and DELETE of members ask the leader for just that, and answer 202', async () => {
  const { call, registry } = await testApi()
  registry.memberAnswer = { ok: true, revision: 12, leader: 'n1', warnings: ['even'] }

  const added = await call(`POST ${PATH}?timeout=1s`, { body: { id: 'n4', url: `${URL4}/` } })
  expect([added.status, jsonOf(added)]).toEqual([202, { revision: 12, warnings: ['even'] }])
  await call(`POST ${PATH}`, { body: { id: 'n4', role: 'learner' } })
  const members = [{ id: 'n1' }, { id: 'n4', url: URL4, role: 'learner' }]
  expect((await call(`PUT ${PATH}?force=true`, { body: { members } })).status).toBe(202)
  expect((await call(`DELETE ${PATH}/n3?force=true`)).status).toBe(202)

  expect(registry.memberRequests).toEqual([
    { type: 'add', id: 'n4', url: URL4, role: 'voter', force: false },
    { type: 'add', id: 'n4', url: null, role: 'learner', force: false },
    {
      type: 'set',
      members: [
        { id: 'n1', url: null, role: 'voter' },
        { id: 'n4', url: URL4, role: 'learner' },
      ],
      force: true,
    },
    { type: 'remove', id: 'n3', force: true },
  ])
})

test('PUT of members takes what GET /v1/cluster shows, edited or not', async () => {
  const { call, registry } = await testApi()
  const seen = { leader: false, reachable: true, matchIndex: 3, lagEntries: 0, lastContactMs: 17 }
  const programs = { version: '0.1.0', clusterVersionMax: 2 }
  const members = [
    { id: 'n1', url: 'http://10.0.0.1:7400', role: 'voter', ...seen, ...programs },
    { id: 'n2', url: null, role: 'witness', ...seen, ...programs },
  ]
  const version = { clusterVersion: 2, upgrade: null, term: 3, revision: 9 }
  const state = { degraded: true, degradedDetail: 'one copy', change: null, deadMembers: null }
  const cluster = { clusterId: 'c', leader: 'n1', ...version, ...state }

  expect((await call(`PUT ${PATH}`, { body: { ...cluster, members } })).status).toBe(202)
  expect((await call(`POST ${PATH}`, { body: members[1]! })).status).toBe(202)

  expect(registry.memberRequests).toEqual([
    {
      type: 'set',
      members: [
        { id: 'n1', url: 'http://10.0.0.1:7400', role: 'voter' },
        { id: 'n2', url: null, role: 'witness' },
      ],
      force: false,
    },
    { type: 'add', id: 'n2', url: null, role: 'witness', force: false },
  ])
})

test('POST /v1/cluster/transfer answers 200 with the new leader', async () => {
  const { call, registry } = await testApi()
  const answer = await call('POST /v1/cluster/transfer', { body: { to: 'n2' } })
  expect([answer.status, jsonOf(answer)]).toEqual([200, { leader: 'n2' }])
  await call('POST /v1/cluster/transfer')
  expect(registry.memberRequests).toEqual([
    { type: 'transfer', to: 'n2', force: false },
    { type: 'transfer', to: null, force: false },
  ])
})

test.each([
  ['conflict', 409],
  ['not_found', 404],
  ['invalid_request', 400],
] as const)('a change that is refused as %s is %d, with the reason', async (code, status) => {
  const { call, registry } = await testApi()
  registry.memberAnswer = { ok: false, code, detail: 'because' }
  const answer = await call(`DELETE ${PATH}/n3`)
  expect(answer.status).toBe(status)
  expect(jsonOf(answer)).toMatchObject({ code, outcome: 'not_applied' })
  expect(answer.text).toContain('because')
})

test('a change whose fate is open is 504', async () => {
  const { call, registry } = await testApi()
  registry.failure = { ok: false, failure: 'outcome_unknown', detail: 'lost' }
  const answer = await call(`DELETE ${PATH}/n3`)
  expect([answer.status, jsonOf(answer)['outcome']]).toEqual([504, 'unknown'])
})

test.each([
  ['POST', PATH, { id: 'n4', url: 'n4:7400' }, 'url'],
  ['POST', PATH, { id: 'n4', url: 'http://a:1/path' }, 'url'],
  ['POST', PATH, { id: 'n4', url: 'http://user@a:1' }, 'url'],
  ['POST', PATH, { id: 'n4', url: 'ftp://a:1' }, 'url'],
  ['POST', PATH, { id: 'n4', url: 'http://a:99999' }, 'url'],
  ['POST', PATH, { id: 'a b' }, 'id'],
  ['POST', PATH, { url: URL4 }, 'id'],
  ['POST', PATH, { id: 'n4', role: 'leader' }, 'role'],
  ['POST', PATH, { id: 'n4', weight: 1 }, 'weight'],
  ['POST', `${PATH}?ns=x`, { id: 'n4' }, '?ns'],
  ['POST', `${PATH}?force=perhaps`, { id: 'n4' }, '?force'],
  ['PUT', PATH, { members: 'n4' }, 'members'],
  ['PUT', PATH, { members: [{ id: 'n1', url: 7 }] }, 'members.0.url'],
  ['PUT', PATH, { members: [{ id: 'n1', rol: 'voter' }] }, 'members.0.rol'],
  ['PUT', PATH, { members: ['n1'] }, 'members.0'],
  ['PUT', PATH, { members: Array.from({ length: 32 }, () => ({ id: 'n1' })) }, 'members'],
  ['DELETE', `${PATH}/a%20b`, undefined, 'id'],
  ['POST', '/v1/cluster/transfer', { to: 7 }, 'to'],
])('%s %s with %j is refused, and %s is named', async (method, path, body, field) => {
  const { call, registry } = await testApi()
  const answer = await call(`${method} ${path}`, body === undefined ? {} : { body })
  expect(answer.status).toBe(400)
  expect(JSON.stringify(jsonOf(answer)['issues'])).toContain(`"${field}"`)
  expect(registry.memberRequests).toEqual([])
})
