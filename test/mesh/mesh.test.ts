import { describe, expect, test } from 'bun:test'
import { encodeMessage } from '../../src/mesh/mod.ts'
import { Outbox } from '../../src/mesh/outbox.ts'
import { decodeFrame, PAYLOAD_BYTES_MAX } from '../../src/mesh/frame.ts'
import { introduce, type NodeOptions, pipe, proposal, TestNode, World } from './world.ts'

function connected(first: Partial<NodeOptions> = {}, second: Partial<NodeOptions> = {}) {
  const world = new World()
  const n1 = new TestNode(world, { id: 'n1', ...first })
  const n2 = new TestNode(world, { id: 'n2', ...second })
  introduce(n1, n2)
  world.run(20)
  expect([n1.links, n2.links]).toEqual([['up n2'], ['up n1']])
  return { world, n1, n2 }
}

describe('send() and flush()', () => {
  test('deliver what a turn queued as one frame, in order, in both directions', () => {
    const { world, n1, n2 } = connected()
    const before = n1.socket.sent

    for (let id = 1; id <= 3; id++) expect(n1.mesh.send('n2', proposal(id))).toBe(true)
    n2.mesh.send('n1', proposal(9))
    world.run(5)
    expect(n2.received).toEqual([]) // Nothing leaves before the end of the turn.
    n1.mesh.flush()
    n2.mesh.flush()
    world.run(5)

    expect(n1.socket.sent - before).toBe(1)
    expect(n2.received).toEqual([1, 2, 3].map((id) => ({ from: 'n1', message: proposal(id) })))
    expect(n1.received).toEqual([{ from: 'n2', message: proposal(9) }])
  })

  test('put the proven sender into Raft messages', () => {
    const { world, n1, n2 } = connected()
    const { incarnation } = n1.identity
    const message = { type: 'timeout_now', from: 'n1', incarnation, to: 'n2', term: 7 } as const

    n1.mesh.send('n2', { type: 'raft', message })
    n1.mesh.flush()
    world.run(5)

    expect(n2.received).toEqual([{ from: 'n1', message: { type: 'raft', message } }])
  })

  test('send() is false without a link', () => {
    const { n1 } = connected()

    expect(n1.mesh.send('n3', proposal(1))).toBe(false)
    expect(n1.mesh.send('n1', proposal(1))).toBe(false)
  })

  test('send() is false when the queue of the turn is full, and true in the next turn', () => {
    const { n1 } = connected({ config: { outboxMessagesMax: 2 } })

    expect([1, 2, 3].map((id) => n1.mesh.send('n2', proposal(id)))).toEqual([true, true, false])
    n1.mesh.flush()
    expect(n1.mesh.send('n2', proposal(4))).toBe(true)
  })

  test('send() is false when a message does not fit by its bytes', () => {
    const { n1 } = connected({ config: { outboxBytesMax: 1_000 } })

    expect(n1.mesh.send('n2', proposal(1, new Uint8Array(900)))).toBe(true)
    expect(n1.mesh.send('n2', proposal(2, new Uint8Array(200)))).toBe(false)
    expect(n1.mesh.send('n2', proposal(3, new Uint8Array(10)))).toBe(true)
  })

  test('write nothing to a peer that does not read, and go on when it does', () => {
    const { world, n1, n2 } = connected({ config: { backedUpBytesMax: 100 } })
    const before = n1.socket.sent
    n1.socket.buffered = 101

    expect(n1.mesh.send('n2', proposal(1))).toBe(false)
    n1.mesh.flush()
    expect(n1.socket.sent).toBe(before)
    n1.socket.buffered = 0
    expect(n1.mesh.send('n2', proposal(2))).toBe(true)
    n1.mesh.flush()
    world.run(5)

    expect(n2.received).toEqual([{ from: 'n1', message: proposal(2) }])
    expect(n1.links).toEqual(['up n2'])
  })

  test('close a link whose socket dropped something', () => {
    const { world, n1, n2 } = connected()
    n1.socket.isFull = true

    n1.mesh.send('n2', proposal(1))
    n1.mesh.flush()
    world.run(5)

    expect(n1.links).toEqual(['up n2', 'down n2: its socket overflowed'])
    expect(n2.links).toEqual(['up n1', 'down n1: closed by the other side'])
    expect(n1.mesh.send('n2', proposal(2))).toBe(false)
  })
})

describe('Outbox', () => {
  const route = { from: 'n1', incarnation: 'i', to: 'n2' }
  const message = (bytes: number) => encodeMessage(proposal(1, new Uint8Array(bytes)), route)

  test('take() splits what is more than a frame may hold', () => {
    const outbox = new Outbox({ bytesMax: 4 * PAYLOAD_BYTES_MAX, messagesMax: 100 })
    for (let i = 0; i < 5; i++) expect(outbox.push(message(3 << 20))).toBe(true)

    const frames = outbox.take()

    const counts = frames.map((frame) => decodeFrame(frame, PAYLOAD_BYTES_MAX).payload[4])
    expect(counts).toEqual([2, 2, 1])
    expect(outbox.isEmpty).toBe(true)
    expect(outbox.take()).toEqual([])
  })

  test('push() takes the largest message that a frame can hold and none larger', () => {
    const outbox = new Outbox({ bytesMax: 4 * PAYLOAD_BYTES_MAX, messagesMax: 100 })
    const envelope = message(1 << 20).length - (1 << 20)
    const largest = PAYLOAD_BYTES_MAX - 5 - envelope

    expect(outbox.push(message(largest + 1))).toBe(false)
    expect(outbox.push(message(largest))).toBe(true)
    expect(outbox.take().map((frame) => frame.length)).toEqual([12 + PAYLOAD_BYTES_MAX])
  })
})

describe('a link that is lost', () => {
  test('comes back at once when the peer does', () => {
    const { world, n1, n2 } = connected()
    const dials = world.dials.length

    n2.socket.close()
    world.run(100)

    expect(n1.links).toEqual(['up n2', 'down n2: closed by the other side', 'up n2'])
    expect(world.dials.length).toBe(dials + 1)
  })

  test('is tried again with growing pauses, and after a success with small ones', () => {
    const { world, n1 } = connected()
    const listener = world.listeners.get('http://n2')
    world.listeners.delete('http://n2')
    world.listeners.delete('http://n1') // The other end tries too, after a while.
    n1.socket.close()
    n1.socket.events?.close('reset')

    const from = world.dials.length
    world.run(20_000)

    const dials = world.dials.slice(from).filter((dial) => dial.url === 'http://n2')
    const times = dials.map((dial) => dial.atMs)
    const pauses = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0))
    // Each dial fails after a millisecond; then half of the window to all of it.
    const windows = [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]
    for (const [i, windowMs] of windows.entries()) {
      expect(pauses[i]).toBeGreaterThan(windowMs / 2)
      expect(pauses[i]).toBeLessThanOrEqual(windowMs + 1)
    }
    if (listener !== undefined) world.listeners.set('http://n2', listener)
    world.run(3_000)
    expect(n1.status('n2').connected).toBe(true)
    n1.socket.events?.close('reset')
    const again = world.dials.length
    world.run(60)
    expect(world.dials.length).toBe(again + 1)
  })

  test('is noticed when nothing arrives any more', () => {
    const { world, n1, n2 } = connected()
    for (const end of [n1.socket, n2.socket]) end.isCut = true

    world.run(3_000)
    expect(n1.links).toEqual(['up n2'])
    world.run(3_000)

    expect(n1.links.slice(0, 2)).toEqual(['up n2', 'down n2: silent'])
    expect(n2.links[1]).toStartWith('down n1: ')
    expect(n1.status('n2').connected).toBe(true) // Over a new socket.
  })

  test('keeps what was known of the peer', () => {
    const { world, n1, n2 } = connected()
    world.listeners.delete('http://n2')
    n2.mesh.stop()
    world.run(1_000)

    const status = n1.status('n2')

    expect(status.connected).toBe(false)
    expect(status.identity).toEqual(n2.identity)
    expect(status.lastContactMs).toBeGreaterThan(1_000)
    expect(status.lastContactMs).toBeLessThan(1_020)
  })
})

describe('an idle link', () => {
  test('stays up by a few pings, and its round trip is measured', () => {
    const { world, n1, n2 } = connected()
    const before = n1.socket.sent

    world.run(60_000)

    expect(n1.links).toEqual(['up n2'])
    expect(n2.links).toEqual(['up n1'])
    expect(n1.socket.sent - before).toBeLessThanOrEqual(122) // A ping and a pong a second.
    expect(n1.status('n2').rttMs).toBe(2)
    expect(world.nowMs - (n1.status('n2').lastContactMs ?? 0)).toBeLessThanOrEqual(1_000)
  })

  test('is not judged by a process that stood still itself', () => {
    const { world, n1, n2 } = connected()

    world.nowMs += 30_000 // SIGSTOP: no timer ran, and what came waits in the sockets.
    world.run(5_000)

    expect(n1.links).toEqual(['up n2'])
    expect(n2.links).toEqual(['up n1'])
  })
})

describe('setPeers()', () => {
  test('lets the lower id dial', () => {
    const world = new World()
    const nodes = ['n2', 'n1', 'n3'].map((id) => new TestNode(world, { id }))
    introduce(...nodes)

    world.run(20)

    expect(world.dials.map((dial) => dial.url).sort()).toEqual([
      'http://n2',
      'http://n3',
      'http://n3',
    ])
    for (const node of nodes) {
      expect(node.mesh.peers().map((peer) => peer.connected)).toEqual([true, true])
    }
  })

  test('lets the higher id dial too where no link has come for long', () => {
    const world = new World()
    const [n1, n2] = [new TestNode(world, { id: 'n1' }), new TestNode(world, { id: 'n2' })]
    n2.mesh.setPeers([{ id: 'n1', url: n1.url }]) // n1 knows nothing of n2.
    world.run(3_000)
    expect(world.dials).toEqual([])
    world.run(3_000)
    expect(n2.links).toEqual(['up n1'])
    expect(n1.links).toEqual(['up n2'])
  })

  test('lets the higher id dial at once where it is told to', () => {
    const world = new World()
    const [n1, n2] = [new TestNode(world, { id: 'n1' }), new TestNode(world, { id: 'n2' })]
    n2.mesh.setPeers([{ id: 'n1', url: n1.url }])
    n2.mesh.setPeers([{ id: 'n1', url: n1.url, dials: true }])
    world.run(50)
    expect(n2.links).toEqual(['up n1'])
  })

  test('lets a node without an address dial, whatever its id', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    const n2 = new TestNode(world, { id: 'n2', config: { dialsAlways: true } })
    n1.mesh.setPeers([{ id: 'n2', url: null }])
    n2.mesh.setPeers([{ id: 'n1', url: n1.url }])

    world.run(20)

    expect(world.dials.map((dial) => dial.url)).toEqual(['http://n1'])
    expect(n1.links).toEqual(['up n2'])
    expect(n2.links).toEqual(['up n1'])
  })

  test('closes the links with those that left, and dials them no more', () => {
    const { world, n1, n2 } = connected()

    n1.mesh.setPeers([])
    const dials = world.dials.length
    world.run(3_000) // Later the other one dials: it was not told that it is none any more.

    expect(n1.links).toEqual(['up n2', 'down n2: n2 is no longer a peer'])
    // It is told why.
    expect(n2.links).toEqual(['up n1', 'down n1: n2 is no longer a peer'])
    expect(world.dials.length).toBe(dials)
    expect(n1.mesh.peers()).toEqual([])
  })

  test('goes to a new address at once, and keeps a link that is up', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    n1.mesh.setPeers([{ id: 'n2', url: 'http://nowhere' }])
    world.run(5_000)
    const n2 = new TestNode(world, { id: 'n2' })

    n1.mesh.setPeers([{ id: 'n2', url: n2.url }])
    world.run(20)
    expect(n1.links).toEqual(['up n2'])
    n1.mesh.setPeers([{ id: 'n2', url: 'http://elsewhere' }])
    world.run(2_000)

    expect(n1.links).toEqual(['up n2'])
    expect(n1.status('n2').url).toBe('http://elsewhere')
  })

  test('said twice changes nothing', () => {
    const { world, n1, n2 } = connected()

    introduce(n1, n2)
    world.run(3_000)

    expect(world.dials).toHaveLength(1)
    expect(n1.links).toEqual(['up n2'])
  })
})

describe('setContact()', () => {
  test('finds whoever is at the address, until that is no longer wanted', () => {
    const world = new World()
    const n9 = new TestNode(world, { id: 'n9' })
    n9.mesh.setContact('http://n1')
    world.run(1_000)
    expect(world.dials.length).toBeGreaterThan(2) // Nobody is there yet.

    const n1 = new TestNode(world, { id: 'n1', clusterId: 'c' })
    world.run(3_000)
    expect(n9.links).toEqual(['up n1'])
    expect(n1.links).toEqual(['up n9'])

    // The link stays for as long as it lasts; then nobody dials for it any more.
    n9.mesh.setContact(null)
    const { length } = world.dials
    n1.socket.close()
    world.run(10_000)
    expect(n9.links).toEqual(['up n1', 'down n1: closed by the other side'])
    expect(world.dials).toHaveLength(length)
  })

  test('comes back to it while nobody else is linked', () => {
    const world = new World()
    const [n1, n9] = [new TestNode(world, { id: 'n1' }), new TestNode(world, { id: 'n9' })]
    n9.mesh.setContact(n1.url)
    world.run(50)
    n1.socket.close()
    world.run(3_000)
    expect(n9.links).toEqual(['up n1', 'down n1: closed by the other side', 'up n1'])
  })
})

describe('a second link', () => {
  test('replaces the first when the same side dialed it', () => {
    const { world, n1, n2 } = connected()
    const [first] = n1.sockets
    // n1 was restarted: its old socket is still open as far as n2 knows.
    if (first !== undefined) first.isCut = true
    n1.mesh.stop()
    const again = new TestNode(world, { id: 'n1' })
    again.mesh.setPeers([{ id: 'n2', url: n2.url }])

    world.run(20)

    expect(n2.links).toEqual(['up n1', 'down n1: replaced by a newer link', 'up n1'])
    expect(again.links).toEqual(['up n2'])
    again.mesh.send('n2', proposal(5))
    again.mesh.flush()
    world.run(5)
    expect(n2.received).toEqual([{ from: 'n1', message: proposal(5) }])
  })

  test('dialed by the other side leaves one link, which the lower id dialed', () => {
    for (const laterMs of [0, 1, 2, 3, 4, 5, 6, 50]) {
      const world = new World()
      const n1 = new TestNode(world, { id: 'n1' })
      const n2 = new TestNode(world, { id: 'n2', config: { dialsAlways: true } })
      n2.mesh.setPeers([{ id: 'n1', url: n1.url }])
      world.run(laterMs)
      n1.mesh.setPeers([{ id: 'n2', url: n2.url }])

      world.run(30_000)
      n1.mesh.send('n2', proposal(1))
      n2.mesh.send('n1', proposal(2))
      n1.mesh.flush()
      n2.mesh.flush()
      world.run(5)

      expect(n1.links.at(-1)).toBe('up n2')
      expect(n2.links.at(-1)).toBe('up n1')
      expect(n1.links.length).toBeLessThanOrEqual(3)
      expect(n1.received).toHaveLength(1)
      expect(n2.received).toHaveLength(1)
      expect(world.dials.length).toBeLessThanOrEqual(3)
    }
  })
})

test('up and down alternate, and links come back, over many faults', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const world = new World()
    const nodes = ['n1', 'n2', 'n3'].map((id) => new TestNode(world, { id }))
    introduce(...nodes)
    let state = seed
    const chance = (bound: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % bound
    }
    world.tamper = (bytes) => {
      if (chance(12) === 0) return null
      if (chance(12) === 0) bytes[chance(bytes.length)] = chance(256)
      return bytes
    }

    for (let i = 0; i < 200; i++) {
      const node = nodes[chance(3)]
      if (chance(10) === 0) node?.sockets.at(-1)?.close()
      node?.mesh.send(`n${1 + chance(3)}`, proposal(i))
      node?.mesh.flush()
      world.run(chance(100))
    }
    world.tamper = (bytes) => bytes
    world.run(30_000)

    for (const node of nodes) {
      expect(node.mesh.peers().map((peer) => peer.connected)).toEqual([true, true])
      for (const id of ['n1', 'n2', 'n3']) {
        const own = node.links.filter((line) => line.split(/[ :]/)[1] === id)
        expect(own.every((line, i) => line.startsWith(i % 2 === 0 ? 'up' : 'down'))).toBe(true)
      }
    }
  }
})

test('setIdentity() makes the links again, so that the peers hear of it', () => {
  const { world, n1, n2 } = connected()

  n1.mesh.setIdentity({ ...n1.identity, clusterId: 'founded' })
  world.run(100)

  expect(n1.links).toEqual(['up n2', 'down n2: the identity changed', 'up n2'])
  expect(n2.links).toEqual(['up n1', 'down n1: closed by the other side', 'up n1'])
  expect(n2.status('n1').identity?.clusterId).toBe('founded')
})

test('a host may adopt the cluster of a peer while that one comes up', () => {
  const { world, n1, n2 } = connected()
  const adopt = n2.up.bind(n2)
  n2.up = (peer) => {
    adopt(peer)
    const isNew = n2.mesh.peers()[0]?.identity?.clusterId !== null && n2.links.length < 4
    if (isNew) n2.mesh.setIdentity({ ...n2.identity, clusterId: peer.clusterId })
  }

  n1.mesh.setIdentity({ ...n1.identity, clusterId: 'founded' })
  world.run(1_000)

  expect(n1.status('n2')).toMatchObject({ connected: true, identity: { clusterId: 'founded' } })
  expect(n2.status('n1')).toMatchObject({ connected: true, identity: { clusterId: 'founded' } })
  expect(n2.links.filter((line) => line.startsWith('up')).length).toBe(3)
})

test('stop() closes everything and nothing follows', () => {
  const { world, n1, n2 } = connected()

  n1.mesh.stop()
  world.run(10_000)

  expect(n1.links).toEqual(['up n2'])
  expect(n2.links).toEqual(['up n1', 'down n1: closed by the other side'])
  expect(world.dials.filter(({ url }) => url === 'http://n2')).toHaveLength(1)
  expect(n1.mesh.send('n2', proposal(1))).toBe(false)
  const [, far] = pipe(world)
  n1.mesh.accept(far)
  expect(far.isClosed).toBe(true)
})
