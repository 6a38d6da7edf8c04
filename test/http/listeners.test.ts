import { expect, test } from 'bun:test'
import { GRACE_MS, Listeners } from '../../src/http/config/listeners.ts'
import { jsonOf, testApi } from './support.ts'

const KEY = '/v1/config/app/db'
const ASK = 'GET /v1/config-listeners/app/db'

async function api() {
  const made = await testApi()
  made.registry.apply({ type: 'cluster_version', version: 3 })
  const polls: Promise<unknown>[] = []
  /** A long poll that is under way. */
  const poll = async (path: string, headers: Record<string, string> = {}) => {
    const { waiting } = made.registry
    const answer = made.call(`GET ${path}`, { headers })
    polls.push(answer)
    while (made.registry.waiting === waiting) await Bun.sleep(1)
    return answer
  }
  const listeners = async (query = '') => jsonOf(await made.call(`${ASK}${query}`))
  const put = (body: string) => made.call(`PUT ${KEY}`, { body })
  return { ...made, poll, listeners, put }
}

const labels = (instance: string, more = '') => ({
  'Rollcall-Labels': `instance=${instance}${more}`,
})

test('who waits for a key is listed with what it holds', async () => {
  const { poll, listeners, put } = await api()
  await put('one')
  void poll(`${KEY}?since=2&wait=10m`, labels('i-1'))
  void poll(`${KEY}?since=2&wait=10m`, labels('i-2', ',zone=eu'))
  void poll('/v1/config?prefix=app/&since=2&wait=10m', labels('lister'))
  void poll('/v1/config?prefix=b&since=2&wait=10m', labels('elsewhere'))
  void poll('/v1/config/app/other?since=2&wait=10m', labels('other'))
  await Bun.sleep(5)

  const poller = { node: 'n1', via: 'poll', connected: true, version: 1 }
  expect(await listeners('?version=1')).toMatchObject({
    key: 'app/db',
    version: 1,
    listeners: [
      { instance: 'i-1', ...poller },
      { instance: 'i-2', ...poller },
      { instance: 'lister', ...poller },
    ],
    complete: true,
    missing: [],
    target: 1,
    holding: 3,
    all: true,
  })
})

test('a plain read and an answered poll are not what somebody holds', async () => {
  const { call, poll, listeners, put } = await api()
  await put('one')
  const first = poll(`${KEY}?since=2&wait=10m`, labels('i-1'))
  await call(`GET ${KEY}`, { headers: labels('reader') })
  await Bun.sleep(5)
  await put('two')
  await first

  // It was answered with version 2, and has not come back: nobody knows what it got.
  expect(await listeners('?version=2')).toMatchObject({
    listeners: [{ instance: 'i-1', connected: false }],
    holding: 0,
    all: false,
  })
  void poll(`${KEY}?since=3&wait=10m`, labels('i-1'))
  await Bun.sleep(5)
  expect(await listeners('?version=2')).toMatchObject({
    listeners: [{ instance: 'i-1', connected: true, version: 2 }],
    all: true,
  })
})

test('?wait= answers once all hold the version', async () => {
  const { poll, call, put } = await api()
  await put('one')
  const polls = ['i-1', 'i-2'].map((name) => poll(`${KEY}?since=2&wait=10m`, labels(name)))
  await Bun.sleep(5)
  const all = call(`${ASK}?version=2&wait=1m`)
  await put('two')
  await Promise.all(polls)
  for (const name of ['i-1', 'i-2']) void poll(`${KEY}?since=3&wait=10m`, labels(name))
  expect(jsonOf(await all)).toMatchObject({ version: 2, holding: 2, all: true })
})

test('?wait= ends with things as they are', async () => {
  const { poll, listeners, put } = await api()
  await put('one')
  void poll(`${KEY}?since=2&wait=10m`, labels('i-1'))
  await Bun.sleep(5)
  expect(await listeners('?version=9&wait=20ms')).toMatchObject({ holding: 0, all: false })
})

test('nobody holds a version that is not there yet, where nobody listens either', async () => {
  const { listeners, call, put } = await api()
  expect(await listeners('?version=1')).toMatchObject({ version: null, all: false })
  const all = call(`${ASK}?version=1&wait=1m`)
  await put('one')
  expect(jsonOf(await all)).toMatchObject({ version: 1, listeners: [], holding: 0, all: true })
})

test('whoever is given a staged value does not hold a version', async () => {
  const { call, poll, listeners, put } = await api()
  await put('one')
  const headers = { 'Rollcall-Stage-Rule': 'zone=eu' }
  await call('PUT /v1/config-stages/app/db/canary', { body: 'two', headers })
  void poll(`${KEY}?since=3&wait=10m`, labels('i-1', ',zone=eu'))
  void poll(`${KEY}?since=3&wait=10m`, labels('i-2', ',zone=us'))
  await Bun.sleep(5)
  const seen = await listeners('?version=1')
  expect(seen).toMatchObject({
    listeners: [
      { instance: 'i-1', version: 1, stage: 'canary' },
      { instance: 'i-2', version: 1 },
    ],
    holding: 1,
    all: false,
  })
  expect((seen['listeners'] as object[])[1]).not.toHaveProperty('stage')
})

test('a member that did not answer is named, and nothing is complete', async () => {
  const { registry, listeners } = await api()
  registry.missing = [{ id: 'n2', why: 'it is not connected' }]
  expect(await listeners('?version=1')).toMatchObject({
    complete: false,
    missing: [{ node: 'n2', detail: 'it is not connected' }],
    all: false,
  })
})

test('a question of another program is answered with nothing', async () => {
  const { registry } = await api()
  const survey = await registry.survey(new Uint8Array([0xc1]))
  expect(survey).toMatchObject({ answers: [{ answer: new Uint8Array(0) }] })
})

test.each([
  ['?wait=1s', '?wait', 'needs version'],
  ['?version=0', '?version', 'from 1'],
  ['?version=1&wait=11m', '?wait', 'from 0s to 10m'],
  ['?since=1', '?since', 'not a parameter'],
])('GET /v1/config-listeners/app/db%s is 400', async (query, field, says) => {
  const { call } = await api()
  const answer = await call(`${ASK}${query}`)
  expect(answer.status).toBe(400)
  expect(jsonOf(answer)['issues']).toMatchObject([{ path: field }])
  expect(jsonOf(answer)['detail']).toContain(says)
})

/** The book itself, on a clock of the test's. */
async function book() {
  const { registry } = await testApi()
  const clock = { nowMs: 1_000_000 }
  const listeners = new Listeners(() => clock.nowMs)
  const target = { ns: 'default', key: 'k', prefix: false }
  const begin = (instance: string | null, address: string | null = null, through = 0) => {
    const source = {
      labels: new Map(instance === null ? [] : [['instance', instance]]),
      address,
      via: 'poll',
    } as const
    return listeners.begin(target, source, { through, held: null })
  }
  const names = () => Array.from(listeners.of('default', 'k', registry.local), ({ name }) => name)
  return { listeners, clock, begin, names, registry }
}

test('a caller counts between two polls, and is forgotten when it does not come back', async () => {
  const { listeners, clock, begin, names } = await book()
  begin('i-1').end()
  clock.nowMs += GRACE_MS
  expect(names()).toEqual(['i-1'])
  clock.nowMs += GRACE_MS + 1
  expect(names()).toEqual([])
  expect(listeners.size).toBe(0)
})

test('without a name a poll takes over one of its address that is between two polls', async () => {
  const { begin, names } = await book()
  const [one, two] = [begin(null, '10.0.0.1'), begin(null, '10.0.0.1')]
  begin(null, '10.0.0.2').end()
  expect(names()).toHaveLength(3)
  one.end()
  begin(null, '10.0.0.1')
  two.end()
  expect(names()).toHaveLength(3)
})

test('without a name a poll with other labels is another caller', async () => {
  const { listeners, names } = await book()
  const target = { ns: 'default', key: 'k', prefix: false }
  const poll = (zone: string) => {
    const labels = new Map([['zone', zone]])
    const source = { labels, address: '10.0.0.1', via: 'poll' } as const
    return listeners.begin(target, source, { through: 0, held: null })
  }
  poll('eu').end()
  poll('us').end()
  expect(names()).toHaveLength(2)
  poll('us')
  expect(names()).toHaveLength(2)
})

test('a caller holds what its labels say now, not those of an earlier poll', async () => {
  const { poll, call, listeners, put } = await api()
  await put('one')
  const headers = { 'Rollcall-Stage-Rule': 'zone=eu' }
  await call('PUT /v1/config-stages/app/db/canary', { body: 'two', headers })
  void poll(`${KEY}?since=3&wait=10m`, labels('i-1', ',zone=eu'))
  await Bun.sleep(5)
  void poll(`${KEY}?since=3&wait=10m`, labels('i-1', ',zone=us'))
  await Bun.sleep(5)
  const [only, ...others] = (await listeners())['listeners'] as object[]
  expect(others).toEqual([])
  expect(only).toMatchObject({ instance: 'i-1', version: 1 })
  expect(only).not.toHaveProperty('stage')
})

test('two polls of one name are one listener', async () => {
  const { begin, names } = await book()
  const [one, two] = [begin('i-1'), begin('i-1')]
  one.end()
  expect(names()).toEqual(['i-1'])
  two.end()
})

test('a stream holds what it was sent up to', async () => {
  const { listeners, registry } = await book()
  const put = (text: string) =>
    registry.apply({
      type: 'config_put',
      ns: 'default',
      key: 'k',
      contentType: 'text/plain',
      value: new TextEncoder().encode(text),
      comment: null,
      by: null,
      lease: null,
      expect: null,
    })
  const held = () =>
    Array.from(listeners.of('default', 'k', registry.local), (view) => view.held?.version ?? null)
  const source = { labels: new Map(), address: null, via: 'watch' } as const
  const prefix = { ns: 'default', key: '', prefix: true }
  let reached = 0
  const stream = listeners.begin(prefix, source, {
    through: 0,
    held: null,
    reached: () => reached,
  })
  put('one')
  expect(held()).toEqual([null])
  reached = 1
  expect(held()).toEqual([1])
  put('two')
  expect(held()).toEqual([null])
  reached = 2
  expect(held()).toEqual([2])
  stream.end()
})
