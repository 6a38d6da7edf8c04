import { expect, test } from 'bun:test'

import { clientIn, failure, held, json, never, problem, settled, World } from './world.ts'
import type { Asked } from './world.ts'

const WEB = { service: 'web', id: 'w1', address: '10.0.0.7', port: 8080, ttl: '15s' } as const

const lines = (asked: readonly Asked[]) =>
  asked.map(
    ({ method, url }) => `${method} ${url.pathname.replace('/v1/services/web/instances/', '')}`,
  )

test('register() beats three times in its time to live', async () => {
  const world = new World()
  world.script = ({ body }) => json(body === '' ? {} : JSON.parse(body))
  const registration = await clientIn(world).register(WEB)
  await world.pass(15_000)

  expect(lines(world.asked)).toEqual([
    'PUT w1',
    ...Array.from({ length: 3 }, () => 'POST w1/heartbeat'),
  ])
  expect(JSON.parse(world.asked[0]?.body ?? '')).toEqual({
    address: '10.0.0.7',
    port: 8080,
    ttl: '15000ms',
  })
  expect(registration.instance.address).toBe('10.0.0.7')
  await registration.close()
})

test('register() registers again, as it is by then, after it was expired', async () => {
  const world = new World()
  const restored: unknown[] = []
  world.script = ({ body }) => json(body === '' ? {} : JSON.parse(body))
  const client = clientIn(world)
  const registration = await client.register({ ...WEB, onRestored: (i) => restored.push(i.status) })
  await registration.update({ status: 'draining' })
  let isExpired = true
  world.script = ({ method, body }) => {
    if (method === 'POST') return isExpired ? problem(404, 'not_found') : json({})
    isExpired = false
    return json(JSON.parse(body))
  }
  await world.pass(11_000)

  expect(lines(world.asked)).toEqual([
    'PUT w1',
    'PUT w1',
    'POST w1/heartbeat',
    'PUT w1',
    'POST w1/heartbeat',
  ])
  expect(restored).toEqual(['draining'])
})

test('register() tries the other nodes, and goes on when none answers', async () => {
  const world = new World()
  const troubles: unknown[] = []
  world.script = () => json({})
  await clientIn(world).register({
    ...WEB,
    onTrouble: (error) => {
      troubles.push(error)
      throw new Error('a listener that fails ends nothing')
    },
  })
  world.script = never
  await world.pass(20_000)
  expect(new Set(world.asked.slice(1).map(({ node }) => node)).size).toBe(3)
  expect(troubles.length).toBeGreaterThan(0)

  world.asked.length = 0
  world.script = () => json({})
  await world.pass(30_000)
  expect(lines(world.asked)).toContain('POST w1/heartbeat')
})

test('close() deregisters after what is under way, and only once', async () => {
  const world = new World()
  world.script = () => json({})
  const registration = await clientIn(world).register(WEB)
  const { reply, answer } = held()
  world.script = ({ method }) => (method === 'PUT' ? reply : json(null, 204))
  const updated = registration.update({ weight: 5 })
  await settled()
  const closed = registration.close()
  await settled()
  expect(lines(world.asked)).toEqual(['PUT w1', 'PUT w1'])

  answer(json({ weight: 5 }))
  await updated
  await closed
  await registration.close()
  await world.pass(60_000)

  expect(lines(world.asked)).toEqual(['PUT w1', 'PUT w1', 'DELETE w1'])
  expect((await failure(registration.update({ weight: 6 }))).code).toBe('closed')
  expect(world.timers).toBe(0)
})

test('update() sends what was declared last, last', async () => {
  const world = new World()
  world.script = () => json({})
  const registration = await clientIn(world).register(WEB)
  const slow: ((response: Response) => void)[] = []
  world.script = () => new Promise((resolve) => slow.push(resolve))

  const first = registration.update({ weight: 2 })
  const second = registration.update({ weight: 3, zone: 'eu' })
  await settled()
  expect(slow).toHaveLength(1)
  slow[0]?.(json({}))
  await first
  await settled()
  slow[1]?.(json({}))
  await second

  expect(JSON.parse(world.asked.at(-1)?.body ?? '')).toMatchObject({
    weight: 3,
    zone: 'eu',
    port: 8080,
  })
})

test('register() rejects where the first registration is refused, and leaves nothing behind', async () => {
  const world = new World()
  world.script = () =>
    problem(400, 'invalid_request', { issues: [{ path: 'address', message: 'is none' }] })
  const client = clientIn(world)

  expect(await failure(client.register(WEB))).toMatchObject({
    code: 'invalid_request',
    status: 400,
  })

  expect(world.timers).toBe(0)
  await client.close()
  expect(world.asked).toHaveLength(1)
})

test('a client that is closed deregisters what it registered', async () => {
  const world = new World()
  world.script = () => json({})
  const client = clientIn(world)
  await client.register(WEB)
  world.script = () => json(null, 204)

  await client.close()

  expect(lines(world.asked)).toEqual(['PUT w1', 'DELETE w1'])
  expect((await failure(client.register(WEB))).code).toBe('closed')
})
