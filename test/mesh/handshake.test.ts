import { describe, expect, test } from 'bun:test'
import { encodeFrame } from '../../src/mesh/frame.ts'
import { encodeHello, sameProof } from '../../src/mesh/handshake.ts'
import type { Socket } from '../../src/mesh/mod.ts'
import { introduce, type NodeOptions, Pipe, pipe, proposal, TestNode, World } from './world.ts'

function two(first: Partial<NodeOptions> = {}, second: Partial<NodeOptions> = {}) {
  const world = new World()
  const n1 = new TestNode(world, { id: 'n1', ...first })
  const n2 = new TestNode(world, { id: 'n2', ...second })
  introduce(n1, n2)
  return { world, n1, n2 }
}

/** Says `frames` to a node, as somebody who dialed it, and returns the reasons it refused with. */
function stranger(world: World, node: TestNode, frames: readonly Uint8Array[]): string[] {
  const refusals: string[] = []
  const [near, far] = pipe(world)
  near.events = {
    open: () => {},
    message: (bytes) => {
      if (bytes[3] === 4) refusals.push(new TextDecoder().decode(bytes.subarray(12)))
    },
    close: () => {},
  }
  far.events = node.mesh.accept(far)
  for (const frame of frames) near.send(frame)
  world.run(10)
  return refusals
}

describe('a handshake', () => {
  test('brings both sides up, each knowing the other', () => {
    const { world, n1, n2 } = two({ clusterId: 'c' }, { clusterId: null })

    world.run(20)

    expect(n1.links).toEqual(['up n2'])
    expect(n2.links).toEqual(['up n1'])
    expect(n1.status('n2')).toMatchObject({ connected: true, identity: n2.identity, refusal: null })
    expect(n2.status('n1')).toMatchObject({ connected: true, identity: n1.identity, refusal: null })
    expect(world.dials).toEqual([{ url: 'http://n2', atMs: 1_000 }])
  })

  test('works with an empty secret, which a cluster on loopback has', () => {
    const { world, n1 } = two({ secret: '' }, { secret: '' })

    world.run(20)

    expect(n1.links).toEqual(['up n2'])
  })

  test('is not over on either side before both agreed', () => {
    const { world, n1, n2 } = two({ judge: (peer) => `${peer.id} is not wanted` })

    world.run(40)

    expect(n1.links).toEqual([])
    expect(n2.links).toEqual([])
  })
})

describe('a refusal is seen on both sides', () => {
  const cases: readonly (readonly [
    string,
    {
      readonly first: Partial<NodeOptions>
      readonly second: Partial<NodeOptions>
      readonly at1: string
      readonly at2: string
    },
  ])[] = [
    [
      'wrong secret',
      {
        first: { secret: 'one', clusterId: 'a' },
        second: { secret: 'another', clusterId: 'b' },
        at1: 'refused by n2: wrong secret',
        at2: 'refused n1: wrong secret',
      },
    ],
    [
      'an empty secret against another one',
      {
        first: { secret: '' },
        second: {},
        at1: 'refused by n2: wrong secret',
        at2: 'refused n1: wrong secret',
      },
    ],
    [
      'another cluster',
      {
        first: { clusterId: 'a' },
        second: { clusterId: 'b' },
        at1: 'refused by n2: another cluster: n1 belongs to a, not b',
        at2: 'refused n1: another cluster: n1 belongs to a, not b',
      },
    ],
    [
      'an incarnation that the acceptor does not accept',
      {
        first: { incarnation: 'wiped' },
        second: { judge: ({ incarnation }) => `incarnation ${incarnation} is not the member's` },
        at1: "refused by n2: incarnation wiped is not the member's",
        at2: "refused n1: incarnation wiped is not the member's",
      },
    ],
    [
      'an incarnation that the dialer does not accept',
      {
        first: { judge: ({ incarnation }) => `incarnation ${incarnation} is not the member's` },
        second: { incarnation: 'wiped' },
        at1: "refused n2: incarnation wiped is not the member's",
        at2: "refused by n1: incarnation wiped is not the member's",
      },
    ],
  ]
  test.each(cases)('%s', (_, { first, second, at1, at2 }) => {
    const { world, n1, n2 } = two(first, second)

    world.run(20)

    expect(n1.status('n2')).toMatchObject({ connected: false, refusal: at1 })
    expect(n2.status('n1')).toMatchObject({ connected: false, refusal: at2 })
    expect(n1.log.join()).toContain(at1)
    expect(n2.log.join()).toContain(at2)
    expect(n1.links).toEqual([])
    expect(n2.links).toEqual([])
  })

  test('is logged once, however often it is tried again, and gone once it works', () => {
    let reason: string | null = 'not yet'
    const { world, n1, n2 } = two({}, { judge: () => reason })

    world.run(10_000)
    expect(world.dials.length).toBeGreaterThan(5)
    expect(n2.log).toHaveLength(1)
    reason = null
    world.run(4_000)

    expect(n1.status('n2')).toMatchObject({ connected: true, refusal: null })
    expect(n2.status('n1')).toMatchObject({ connected: true, refusal: null })
  })

  test('another protocol version', () => {
    const { world, n1, n2 } = two()
    world.tamper = (bytes) => {
      const isHello = bytes[3] === 1
      const payload = bytes.slice(12)
      return isHello && n2.sockets[0]?.sent === 0 ? encodeFrame('hello', [payload], 2) : bytes
    }

    world.run(20)

    const reason = 'protocol version 2 is not spoken here, only 1'
    expect(n1.status('n2').refusal).toBe(`refused by n2: ${reason}`)
    expect(n2.status('n1').refusal).toBe(`refused n1: ${reason}`)
  })

  test('a node that reached itself', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    n1.mesh.setPeers([{ id: 'n2', url: n1.url }])

    world.run(20)

    expect(n1.links).toEqual([])
    expect(n1.status('n2').refusal).toBe('refused by n1: n1 reached itself')
  })

  test('another node than the one that was dialed, and a twin', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    const n3 = new TestNode(world, { id: 'n3' })
    const twin = new TestNode(world, { id: 'n1', incarnation: 'another', config: {} })
    n1.mesh.setPeers([
      { id: 'n2', url: n3.url },
      { id: 'n4', url: twin.url },
    ])

    world.run(20)

    expect(n1.links).toEqual([])
    expect(n1.status('n2').refusal).toBe('refused n3: n2 was dialed, not n3')
    expect(n1.status('n4').refusal).toBe('refused by n1: another node is called n1 too')
    expect(twin.links).toEqual([])
  })
})

const hello = (id: string, nonceBytes = 32) =>
  encodeFrame('hello', [
    encodeHello({
      identity: {
        id,
        incarnation: 'i',
        clusterId: null,
        foundingList: null,
        url: null,
        membershipIndex: 0,
        join: null,
        witness: false,
        version: '1',
      },
      nonce: new Uint8Array(nonceBytes).fill(1),
    }),
  ])

const clusterNode = () => {
  const world = new World()
  return { world, n1: new TestNode(world, { id: 'n1', clusterId: 'secret-cluster' }) }
}

describe('a stranger', () => {
  test('is refused what is not a frame, too large, or out of turn', () => {
    const { world, n1 } = clusterNode()
    const proof = encodeFrame('proof', [new Uint8Array(32)])

    expect(stranger(world, n1, [new Uint8Array(100)])).toEqual(['not a frame of this protocol'])
    expect(stranger(world, n1, [encodeFrame('hello', [new Uint8Array(9_000)])])).toEqual([
      'a frame over 8192 bytes',
    ])
    expect(stranger(world, n1, [encodeFrame('messages', [])])).toEqual(['messages out of turn'])
    expect(stranger(world, n1, [encodeFrame('ping', [new Uint8Array([1])])])).toEqual([
      'ping out of turn',
    ])
    expect(stranger(world, n1, [encodeFrame('welcome', [])])).toEqual(['welcome out of turn'])
    expect(stranger(world, n1, [proof])).toEqual(['proof out of turn'])
    expect(stranger(world, n1, [hello('n2'), hello('n2')])).toEqual(['hello out of turn'])
    expect(stranger(world, n1, [hello('n2'), encodeFrame('welcome', [])])).toEqual([
      'welcome out of turn',
    ])
    expect(n1.links).toEqual([])
  })

  test('is refused a proof that is wrong, empty, short or our own, and learns nothing else', () => {
    const { world, n1 } = clusterNode()
    for (const length of [0, 1, 31, 32, 33]) {
      const frames = [hello('n2'), encodeFrame('proof', [new Uint8Array(length)])]
      expect(stranger(world, n1, frames)).toEqual(['wrong secret'])
    }
    expect(n1.links).toEqual([])
  })

  test('is refused a hello that does not hold what it should', () => {
    const { world, n1 } = clusterNode()

    expect(stranger(world, n1, [hello('no name!')])).toEqual(['an id that is no name'])
    expect(stranger(world, n1, [hello('n2', 65)])).toEqual(['a nonce of a strange length'])
    expect(stranger(world, n1, [encodeFrame('hello', [])])).toEqual(['cut short'])
    expect(stranger(world, n1, [encodeFrame('hello', [new Uint8Array([0x91, 1])])])).toEqual([
      'not a text',
    ])
  })

  test('that replays a proof is refused, since the nonce is another', () => {
    const { world, n1, n2 } = two()
    const said: Uint8Array[] = []
    world.tamper = (bytes) => {
      if (bytes[3] !== 4) said.push(bytes.slice())
      return bytes
    }
    world.run(20)
    expect(n2.links).toEqual(['up n1'])
    const ofDialer = said.filter((_, i) => i === 0 || i === 2)

    const refusals = stranger(world, n2, ofDialer)

    expect(ofDialer.map((frame) => frame[3])).toEqual([1, 2]) // hello and proof of n1
    expect(refusals).toEqual(['wrong secret'])
    expect(n1.links).toEqual(['up n2'])
  })

  test('that sends our own hello and proof back proves nothing', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    let echo: Socket | null = null
    world.listeners.set('http://echo', (socket) => {
      echo = socket
      return { open: () => {}, message: (bytes) => void socket.send(bytes), close: () => {} }
    })

    n1.mesh.setPeers([{ id: 'n2', url: 'http://echo' }])
    world.run(20)

    expect(echo).not.toBeNull()
    expect(n1.links).toEqual([])
    expect(n1.log.join()).toContain('wrong secret')
  })

  test('cannot put control characters into the log', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1' })
    const rude = encodeFrame('refuse', [
      new TextEncoder().encode(`go\n\u001b[31m${'x'.repeat(999)}`),
    ])
    world.listeners.set('http://n2', (socket) => {
      socket.send(rude)
      return { open: () => {}, message: () => {}, close: () => {} }
    })

    n1.mesh.setPeers([{ id: 'n2', url: 'http://n2' }])
    world.run(20)

    expect(n1.status('n2').refusal).toStartWith('refused by n2: go??[31mxxx')
    expect(n1.status('n2').refusal?.length).toBe('refused by n2: '.length + 300)
  })

  test('that says nothing is given up on, and so is a dial that is not answered', () => {
    const { world, n1 } = clusterNode()
    const [, far] = pipe(world)
    far.events = n1.mesh.accept(far)
    const dialed = new TestNode(world, { id: 'n0' })
    world.listeners.set('http://hole', () => ({
      open: () => {},
      message: () => {},
      close: () => {},
    }))
    dialed.mesh.setPeers([{ id: 'n1', url: 'http://hole' }])

    world.run(2_500)
    expect(far.isClosed).toBe(false)
    world.run(2_000)

    expect(far.isClosed).toBe(true)
    expect(dialed.sockets[0]?.isClosed).toBe(true)
    expect(world.dials.length).toBe(2)
  })

  test('that was refused may read why for a moment, unless there are too many', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1', config: { strangersMax: 1 } })
    const [first, second] = [new Pipe(world), new Pipe(world)]

    for (const socket of [first, second]) {
      socket.events = n1.mesh.accept(socket)
      socket.events.message(new Uint8Array(1))
    }

    expect([first.isClosed, second.isClosed]).toEqual([false, true])
    world.run(250)
    expect(first.isClosed).toBe(true)
  })

  test('is not let in while too many others are in their handshake', () => {
    const world = new World()
    const n1 = new TestNode(world, { id: 'n1', config: { strangersMax: 3 } })
    const sockets = Array.from({ length: 5 }, () => new Pipe(world))

    for (const socket of sockets) socket.events = n1.mesh.accept(socket)

    expect(sockets.map((socket) => socket.isClosed)).toEqual([false, false, false, true, true])
  })
})

test('damage on a link that is up closes it, and it comes back', () => {
  const { world, n1, n2 } = two()
  world.run(20)
  world.tamper = (bytes) => {
    if (bytes[3] === 5) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    return bytes
  }

  n1.mesh.send('n2', proposal(1))
  n1.mesh.flush()
  world.run(400)

  expect(n2.received).toEqual([])
  expect(n1.links).toEqual(['up n2', 'down n2: a frame with a bad checksum', 'up n2'])
  expect(n2.links).toEqual(['up n1', 'down n1: a frame with a bad checksum', 'up n1'])
})

test('sameProof() compares all bytes and the length', () => {
  const proof = new Uint8Array([1, 2, 3])

  expect(sameProof(proof, new Uint8Array([1, 2, 3]))).toBe(true)
  expect(sameProof(proof, new Uint8Array([0, 2, 3]))).toBe(false)
  expect(sameProof(proof, new Uint8Array([1, 2, 4]))).toBe(false)
  expect(sameProof(proof, new Uint8Array([1, 2]))).toBe(false)
})
