import { expect, test } from 'bun:test'
import { unavailable } from '../../src/http/mod.ts'
import { testApi } from './support.ts'

test.each([
  ['GET', null],
  ['PUT', 'not_applied'],
])('unavailable() to %s says no_leader, and outcome %p', async (method, outcome) => {
  const answer = unavailable(new Request('http://n1/', { method }), 'this node is starting', null)

  expect(answer.status).toBe(503)
  expect(Object.fromEntries(answer.headers)).toEqual({
    connection: 'close',
    'content-type': 'application/problem+json',
    'retry-after': '1',
  })
  expect(await answer.json()).toEqual({
    type: '/problems/no_leader',
    title: 'No leader is known',
    status: 503,
    detail: 'this node is starting',
    code: 'no_leader',
    ...(outcome === null ? {} : { outcome }),
  })
})

test('unavailable() of a node that is known says who it is', async () => {
  const { registry } = await testApi()

  const answer = unavailable(new Request('http://n1/'), 'this node is stopping', registry)

  expect(answer.headers.get('rollcall-node')).toBe('n1')
  expect(answer.headers.get('rollcall-revision')).toBe(String(registry.local.revision))
})
