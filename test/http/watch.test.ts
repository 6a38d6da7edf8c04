import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'
import { WatchReader } from '../support/watch-reader.ts'

const SPEC = { address: '10.0.0.1' }

async function watching(query: string, headers: Record<string, string> = {}) {
  const api = await testApi()
  const open = async (path = query, more = headers) =>
    new WatchReader(await api.app.request(`/v1/watch?${path}`, { headers: more }))
  return { ...api, open }
}

test('a watch begins now, says so, and is told what happens then', async () => {
  const { call, open } = await watching('topic=config/app/port')
  await call('PUT /v1/config/app/port', { body: 'before' })

  const watch = await open()
  const sync = await watch.next()
  await call('PUT /v1/config/other', { body: 'x' })
  await call('PUT /v1/config/app/port?comment=why', { body: '8080' })
  const put = await watch.next()
  await call('DELETE /v1/config/app/port')
  const deleted = await watch.next()
  await watch.cancel()

  expect(watch.response.status).toBe(200)
  expect(watch.response.headers.get('Content-Type')).toBe('text/event-stream')
  expect(watch.response.headers.get('Cache-Control')).toBe('no-store')
  expect(watch.response.headers.get('Rollcall-Node')).toBe('n1')
  expect(sync).toEqual({ event: 'sync', id: '1', data: { revision: 1 } })
  expect(put).toEqual({
    event: 'config.put',
    id: '3',
    data: {
      ns: 'default',
      key: 'app/port',
      version: 2,
      revision: 3,
      contentType: 'text/plain',
      size: 4,
      updatedAt: '2027-01-15T08:00:00.003Z',
      updatedBy: null,
      comment: 'why',
    },
  })
  expect(deleted.event).toBe('config.deleted')
  expect(deleted.data).toEqual({
    ns: 'default',
    key: 'app/port',
    version: 2,
    revision: 4,
    contentType: 'text/plain',
    updatedAt: '2027-01-15T08:00:00.004Z',
    updatedBy: null,
  })
})

test('since: what happened after it comes first, then sync, then what happens', async () => {
  const { call, open } = await watching('topic=config/a*&since=1')
  for (const key of ['a1', 'a2', 'b', 'a3']) await call(`PUT /v1/config/${key}`, { body: key })

  const watch = await open()
  const pending = await watch.take(3)
  await call('PUT /v1/config/a4', { body: 'x' })

  expect(pending.map(({ event, id }) => [event, id])).toEqual([
    ['config.put', '2'],
    ['config.put', '4'],
    ['sync', '4'],
  ])
  expect(await watch.next()).toMatchObject({ id: '5', data: { key: 'a4' } })
  await watch.cancel()
})

test('Last-Event-ID wins over since', async () => {
  const { call, open } = await watching('topic=config/*&since=0', { 'Last-Event-ID': '2' })
  for (const key of ['a', 'b', 'c']) await call(`PUT /v1/config/${key}`, { body: key })
  const watch = await open()
  expect((await watch.take(2)).map(({ id }) => id)).toEqual(['3', '3'])
  await watch.cancel()
})

test('NDJSON is the same, an object a line', async () => {
  const { call, open } = await watching('topic=config/a&values', { Accept: 'application/x-ndjson' })
  const watch = await open()
  const sync = await watch.next()
  await call('PUT /v1/config/a', { body: 'x' })
  const put = await watch.next()
  await watch.cancel()
  expect(watch.response.headers.get('Content-Type')).toBe('application/x-ndjson')
  expect(sync).toEqual({ event: 'sync', id: '0', data: { revision: 0 } })
  expect(put).toMatchObject({ event: 'config.put', id: '1', data: { value: 'x' } })
})

test('values are told where asked for, up to 64 KiB', async () => {
  const { call, open } = await watching('topic=config/*&values=true&since=0')
  await call('PUT /v1/config/a', { body: new Uint8Array([0xff]) })
  await call('PUT /v1/config/b', { body: 'x'.repeat(65_536) })
  await call('PUT /v1/config/c', { body: 'x'.repeat(65_537) })
  const pending = await open()
  await pending.take(4)
  const live = await open('topic=config/*&values=true')
  await live.next()
  const plain = await open('topic=config/*')
  await plain.next()
  await call('PUT /v1/config/a', { body: new Uint8Array([0xff]) })
  await call('PUT /v1/config/b', { body: 'y'.repeat(65_536) })
  await call('PUT /v1/config/c', { body: 'y'.repeat(65_537) })

  const again = await open()
  for (const events of [(await again.take(6)).slice(3), await live.take(3)]) {
    expect(events.map(({ data }) => data)).toMatchObject([
      { valueBase64: '/w==' },
      { value: 'y'.repeat(65_536) },
      { size: 65_537, valueOmitted: true },
    ])
    expect(events[2]?.data).not.toHaveProperty('value')
  }
  for (const { data } of await plain.take(3)) {
    expect(Object.keys(data).filter((field) => field.startsWith('value'))).toEqual([])
  }
  for (const watch of [pending, live, plain, again]) await watch.cancel()
})

async function seen(watch: WatchReader, n: number) {
  return (await watch.take(n)).map(({ id, data }) => [data['id'], id ?? null])
}

test('the id stands on the last event of a revision that the watch sees', async () => {
  const { call, open } = await watching('topic=services')
  const body = { ...SPEC, node: 'host1' }
  for (const id of ['1', '2']) await call(`PUT /v1/services/web/instances/${id}`, { body })
  await call('PUT /v1/services/api/instances/3', { body })

  const all = await open('topic=services&topic=services/web&since=3')
  const web = await open('topic=services/web&since=3')
  const both = await open('topic=services/api&topic=services/web&since=3')
  for (const watch of [all, web, both]) await watch.next()
  await call('PUT /v1/nodes/host1/override', { body: { status: 'draining', reason: 'x' } })

  expect(await seen(all, 3)).toEqual([
    ['3', null],
    ['1', null],
    ['2', '4'],
  ])
  expect(await seen(web, 2)).toEqual([
    ['1', null],
    ['2', '4'],
  ])
  expect(await seen(both, 3)).toEqual(await replay(open, 'topic=services&since=3'))
  for (const watch of [all, web, both]) await watch.cancel()

  async function replay(reopen: typeof open, path: string) {
    const watch = await reopen(path)
    const events = await seen(watch, 3)
    await watch.cancel()
    return events
  }
})

test('an event holds the instance as a GET shows it', async () => {
  const { call, open, registry } = await watching('topic=services/web')
  const path = '/v1/services/web/instances/1'
  registry.apply({ type: 'cluster_version', version: 3 })
  const watch = await open()
  await watch.next()
  const body = { ...SPEC, port: 80, tags: ['a'], metadata: { v: '1' }, ttl: '10s', node: 'h' }
  const steps: [() => unknown, string][] = [
    [() => call(`PUT ${path}`, { body }), 'instance.registered'],
    [() => call(`PATCH ${path}`, { body: { weight: 3 } }), 'instance.updated'],
    [() => call(`PUT ${path}/override`, { body: { weight: 0, reason: 'r' } }), 'instance.updated'],
    [() => call('PUT /v1/nodes/h/override', { body: { status: 'down' } }), 'instance.updated'],
    [() => call(`PUT ${path}`, { body: SPEC }), 'instance.updated'],
  ]
  for (const [step, name] of steps) {
    await step()
    const { event, data } = await watch.next()
    const { expiresInMs: _, ...shown } = jsonOf(await call(`GET ${path}`))
    expect([event, data]).toEqual([name, shown])
  }
  const before = jsonOf(await call(`GET ${path}`))
  await call(`DELETE ${path}`)
  const gone = await watch.next()
  expect(gone.event).toBe('instance.deregistered')
  expect(gone.data).toEqual({ ...before, revision: 7, updatedAt: gone.data['updatedAt'] })
  await watch.cancel()
})

test('an instance that is removed by its TTL is expired', async () => {
  const { call, open, registry } = await watching('topic=services')
  await call('PUT /v1/services/web/instances/1', { body: { ...SPEC, ttl: '1s' } })
  const watch = await open()
  await watch.next()
  registry.lapse('i:default/web/1')
  expect((await watch.next()).event).toBe('instance.expired')
  await watch.cancel()
})

test('settings of a service are told on its topic, as a GET shows them', async () => {
  const { call, open, registry } = await watching('topic=services/web')
  registry.apply({ type: 'cluster_version', version: 3 })
  const watch = await open()
  await watch.next()
  await call('PUT /v1/services/web/settings', { body: { metadata: { a: 'b' } } })
  const { event, data } = await watch.next()
  expect(event).toBe('service.updated')
  expect(data).toEqual(jsonOf(await call('GET /v1/services/web/settings')))
  await call('DELETE /v1/services/web/settings')
  expect((await watch.next()).event).toBe('service.deleted')
  await watch.cancel()
})

test('a watch is of one namespace', async () => {
  const { call, open } = await watching('topic=config/*&ns=blue')
  const watch = await open()
  await watch.next()
  await call('PUT /v1/config/a', { body: 'x' })
  await call('PUT /v1/config/a?ns=blue', { body: 'x' })
  expect(await watch.next()).toMatchObject({ id: '2', data: { ns: 'blue' } })
  await watch.cancel()
})

test.each([
  ['', 'is needed'],
  ['topic=', 'is none of'],
  ['topic=service/web', 'did you mean "services"?'],
  ['topic=confg/a', 'did you mean "config/{key}"?'],
  ['topic=member', 'did you mean "members"?'],
  ['topic=members/n1', 'is none of'],
  ['topic=locks', 'did you mean "locks/{name}"?'],
  ['topic=services/', 'the name must not be empty'],
  ['topic=services/a/b', 'the name has a character'],
  ['topic=config/app/', 'did you mean "config/app/*"?'],
  ['topic=config/a//b*', 'must not have an empty segment'],
  ['topic=config/a*b', 'has a character'],
  ['topic=config/../x', 'dot segment'],
  ['topic=config/a&since=-1', 'must be a whole number'],
  ['topic=config/a&since=x', 'must be a whole number'],
  ['topic=config/a&values=1', 'must be one of'],
  ['topic=config/a&sinse=1', 'did you mean "since"?'],
])('%p is refused: %s', async (query, why) => {
  const { call } = await testApi()
  const answer = await call(`GET /v1/watch?${query}`)
  expect(answer.status).toBe(400)
  expect(jsonOf(answer)['detail']).toContain(why)
})

test('topics have a bound, and a bad Last-Event-ID is refused', async () => {
  const { call, registry } = await testApi({ limits: { watchTopicsMax: 2 } })
  const three = ['a', 'b', 'c'].map((key) => `topic=config/${key}`).join('&')
  expect((await call(`GET /v1/watch?${three}`)).status).toBe(400)
  const headers = { 'Last-Event-ID': 'x' }
  expect((await call('GET /v1/watch?topic=services', { headers })).status).toBe(400)
  expect(registry.watches.size).toBe(0)
})

test('what is no longer kept is 410 before the stream begins', async () => {
  const { call } = await testApi()
  const answer = await call('GET /v1/watch?topic=services&since=99')
  expect(answer.status).toBe(410)
  expect(jsonOf(answer)).toMatchObject({ code: 'revision_compacted', oldest: 0 })
})

test('HEAD opens no watch', async () => {
  const { call, registry } = await testApi()
  const answer = await call('HEAD /v1/watch?topic=services')
  expect([answer.status, registry.watches.size]).toEqual([200, 0])
})

test('a reader that goes leaves nothing behind', async () => {
  const { open, registry } = await watching('topic=services')
  const watch = await open()
  await watch.next()
  expect(registry.watches.size).toBe(1)
  await watch.cancel()
  expect(registry.watches.size).toBe(0)
})

test('a node that stops says where to go on, and ends its watches', async () => {
  const closing = new AbortController()
  const { app, call, registry } = await testApi({ closing: closing.signal })
  const limit: string[] = []
  const env = { keepOpen: () => limit.push('lifted'), boundIdle: () => limit.push('back') }
  const request = new Request('http://localhost/v1/watch?topic=config/*')
  const watch = new WatchReader(await app.fetch(request, env))
  await watch.next()
  await call('PUT /v1/config/a', { body: 'x' })
  await watch.next()
  closing.abort()
  const cut = { event: 'cut', id: '1', data: { code: 'node_stopping', revision: 1 } }
  expect(await watch.next()).toEqual(cut)
  expect(await watch.ends()).toBe(true)
  expect(registry.watches.size).toBe(0)
  expect(limit).toEqual(['lifted', 'back'])
})

test('a silent watch is told how far it is', async () => {
  const { call, open, registry } = await watching('topic=services')
  const watch = await open()
  await watch.next()
  await call('PUT /v1/config/a', { body: 'x' })
  registry.pass(9_000)
  registry.pass(2_000)
  expect(await watch.next()).toEqual({ event: 'progress', id: '1', data: { revision: 1 } })
  await watch.cancel()
})
