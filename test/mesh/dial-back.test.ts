/** Streams to a node that only dials: it is asked to open them. */
import { describe, expect, test } from 'bun:test'
import type { MeshHost, Stream, StreamEvents } from '../../src/mesh/mod.ts'
import { TestNode, World } from './world.ts'

/** Serves whoever opens a stream to it: says back what it hears. */
class Server extends TestNode implements MeshHost {
  readonly served: string[] = []

  stream(peer: { readonly id: string }, stream: Stream): StreamEvents {
    this.served.push(peer.id)
    return {
      up: () => {},
      receive: (_, payload) => void stream.send('piece', [payload]),
      down: () => this.served.push('down'),
    }
  }
}

/** `n2` only dials; `n1` knows no address of it. */
function hidden() {
  const world = new World()
  const n1 = new TestNode(world, { id: 'n1' })
  const n2 = new Server(world, { id: 'n2', url: null, config: { dialsAlways: true } })
  n1.mesh.setPeers([{ id: 'n2', url: null }])
  n2.mesh.setPeers([{ id: 'n1', url: n1.url }])
  world.run(20)
  expect([n1.links, n2.links]).toEqual([['up n2'], ['up n1']])
  const heard: string[] = []
  const events: StreamEvents = {
    up: () => heard.push('up'),
    receive: (type, payload) => heard.push(`${type} ${payload.join()}`),
    down: (reason) => heard.push(`down: ${reason}`),
  }
  return { world, n1, n2, heard, events }
}

describe('openStream() without a url', () => {
  test('is a stream that the other side dials, and serves', () => {
    const { world, n1, n2, heard, events } = hidden()
    const stream = n1.mesh.openStream('n2', null, events)
    expect(stream.send('fetch', [new Uint8Array([1])])).toBe(false) // Not up yet.
    world.run(20)
    expect([heard, n2.served]).toEqual([['up'], ['n1']])
    expect(world.dials.every(({ url }) => url === n1.url)).toBe(true)

    expect(stream.send('fetch', [new Uint8Array([4, 2])])).toBe(true)
    world.run(20)
    expect(heard).toEqual(['up', 'piece 4,2'])
    stream.close()
    world.run(20)
    expect(heard.at(-1)).toContain('down: ')
    expect(n2.served).toEqual(['n1', 'down'])
    expect(n1.links).toEqual(['up n2'])
  })

  test('asked for twice, the first one is over; what it served too', () => {
    const { world, n1, n2, heard, events } = hidden()
    n1.mesh.openStream('n2', null, events)
    n1.mesh.openStream('n2', null, events)
    expect(heard).toEqual(['down: another one was asked for'])
    world.run(20)
    expect(heard.filter((event) => event === 'up')).toHaveLength(1)
    n1.mesh.openStream('n2', null, events)
    world.run(20)
    expect(n2.served.filter((event) => event === 'n1')).toHaveLength(2)
    expect(n2.served.filter((event) => event === 'down')).toHaveLength(1)
  })

  test('ends where the peer is not connected, or does not dial back in time', () => {
    const { world, n1, n2, heard, events } = hidden()
    world.listeners.delete(n1.url)
    n1.mesh.openStream('n2', null, events)
    world.run(10_000)
    expect(heard).toEqual(['down: n2 did not dial back'])
    n2.mesh.stop()
    world.run(10_000)
    n1.mesh.openStream('n2', null, events)
    world.run(10)
    expect(heard.at(-1)).toBe('down: n2 is not connected')
  })

  test('closed before it came, a late one is none of it', () => {
    const { world, n1, heard, events } = hidden()
    n1.mesh.openStream('n2', null, events).close()
    world.run(50)
    expect(heard).toEqual(['down: closed by this node'])
  })

  test('is over when the mesh stops, without a word', () => {
    const { world, n1, heard, events } = hidden()
    n1.mesh.openStream('n2', null, events)
    n1.mesh.stop()
    world.run(10_000)
    expect(heard).toEqual([])
  })
})
