import { afterEach, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { silentLogger } from '../../src/lib/logger.ts'
import { prng } from '../../src/lib/prng.ts'
import {
  FRAME_BYTES_MAX,
  hmacSha256,
  Mesh,
  meshConfig,
  type PeerMessage,
  randomNonce,
  type Socket,
  type SocketEvents,
} from '../../src/mesh/mod.ts'
import { dial } from '../../src/runtime/dial.ts'
import { BUFFERED_BYTES_MAX, MESSAGE_BYTES_MAX } from '../../src/runtime/mesh-request.ts'
import { type Remote, serve, type ServeOptions, type Server } from '../../src/runtime/serve.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).toReversed()) close()
})

async function start(options: Partial<ServeOptions> = {}): Promise<Server> {
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    fetch: () => new Response('hello'),
    mesh: null,
    maxBodyBytes: 1_000,
    ...options,
  })
  open.push(() => server.closeNow())
  return server
}

/** Sends raw bytes and returns the status line of the answer. */
async function raw(server: Server, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(server.port, '127.0.0.1', () => socket.write(text))
  let answer = ''
  socket.on('data', (data) => {
    answer += String(data)
    if (answer.includes('\r\n')) socket.end()
  })
  socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''))
  socket.on('error', () => resolve('error'))
  return promise
}

const upgrade = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`

const ignore: SocketEvents = { open: () => {}, message: () => {}, close: () => {} }

describe('serve()', () => {
  test('answers requests and tells who asks', async () => {
    let remote: Remote | null = null
    const server = await start({
      fetch: (request, from) => {
        remote = { address: from.address, keepOpen: () => {}, boundIdle: () => {} }
        return new Response(new URL(request.url).pathname)
      },
    })

    const answer = await fetch(`${server.url}/v1/status?x=1`)

    expect(await answer.text()).toBe('/v1/status')
    expect(remote).toMatchObject({ address: '127.0.0.1' })
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
  })

  test('rejects with EADDRINUSE when the port is taken', async () => {
    const { port } = await start()

    const second = serve({
      host: '127.0.0.1',
      port,
      fetch: () => new Response(),
      mesh: null,
      maxBodyBytes: 1,
    })

    expect(await second.then(String, (error) => error.code)).toBe('EADDRINUSE')
  })

  test('lets routes answer for a body a little too large and cuts a huge one', async () => {
    const seen: number[] = []
    const server = await start({
      fetch: async (request) => {
        const { byteLength } = await request.arrayBuffer()
        seen.push(byteLength)
        return new Response(null, { status: byteLength > 1_000 ? 422 : 200 })
      },
    })
    const put = (bytes: number) =>
      fetch(server.url, { method: 'PUT', body: new Uint8Array(bytes) }).then((r) => r.status)

    expect(await put(1_000)).toBe(200)
    expect(await put(1_001)).toBe(422)
    expect(await put(200_000)).toBe(413)
    expect(seen).toEqual([1_000, 1_001])
  })

  test('cuts who does not take the end of a stream, though it was kept open before', async () => {
    const ends: string[] = []
    const cut = Promise.withResolvers<void>()
    const server = await start({
      fetch: (request, remote) => {
        remote.keepOpen()
        const name = new URL(request.url).pathname
        request.signal.addEventListener('abort', () => {
          ends.push(name)
          cut.resolve()
        })
        // More than the system takes for a client that does not read.
        const bytes = new Uint8Array(16 * 1024 * 1024)
        const body = new ReadableStream({ start: (controller) => controller.enqueue(bytes) })
        if (name === '/over') setTimeout(() => remote.boundIdle(), 100)
        return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
      },
    })
    const sockets = ['/goes-on', '/over'].map((path) => {
      const socket = connect(server.port, '127.0.0.1')
      socket.pause()
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      return socket
    })
    await cut.promise
    for (const socket of sockets) socket.destroy()

    expect(ends[0]).toBe('/over')
  }, 60_000)

  test('answers 500 without a word about why when a route throws', async () => {
    const server = await start({
      fetch: () => {
        throw new Error('secret detail')
      },
    })

    const answer = await fetch(server.url)

    expect(answer.status).toBe(500)
    expect(await answer.text()).toBe('internal error\n')
  })

  test('stop() lets the requests under way finish and takes no new ones', async () => {
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const server = await start({
      fetch: async (_, remote) => {
        remote.keepOpen()
        started.resolve()
        await release.promise
        return new Response('finished')
      },
    })
    const answer = fetch(server.url)
    await started.promise

    const stopped = server.stop()
    const late = await fetch(server.url).then(
      (response) => response.status,
      () => 'refused',
    )
    release.resolve()

    expect(await (await answer).text()).toBe('finished')
    await stopped
    expect(late).toBe('refused')
  })

  test('stop() closes WebSockets first', async () => {
    const closed = Promise.withResolvers<string>()
    const server = await start({ mesh: () => ignore })
    const opened = Promise.withResolvers<void>()
    dial(server.url, { ...ignore, open: opened.resolve, close: closed.resolve })
    await opened.promise

    await server.stop()

    expect(typeof (await closed.promise)).toBe('string')
  })
})

describe('/mesh', () => {
  test('has bounds that no frame and no outbox of the mesh meets', () => {
    const identity = { id: 'n1', incarnation: 'i', clusterId: null, foundingList: null, url: null }
    const { backedUpBytesMax, outboxBytesMax } = meshConfig({
      identity: {
        ...identity,
        membershipIndex: 0,
        join: null,
        witness: false,
        version: '1',
        clusterVersionMax: 2,
      },
      secret: new Uint8Array(0),
      dialsAlways: false,
    })

    expect(MESSAGE_BYTES_MAX).toBeGreaterThanOrEqual(FRAME_BYTES_MAX)
    expect(BUFFERED_BYTES_MAX).toBeGreaterThan(backedUpBytesMax + outboxBytesMax + 1_024)
  })

  test('takes WebSockets there alone, and none that a page opened', async () => {
    let accepted = 0
    const mesh = () => {
      accepted += 1
      return ignore
    }
    const server = await start({ mesh, fetch: () => new Response(null, { status: 404 }) })
    const without = await start({ fetch: () => new Response(null, { status: 404 }) })
    const evil = 'Origin: http://evil.example\r\n'

    expect(await raw(server, upgrade('/mesh'))).toBe('HTTP/1.1 101 Switching Protocols')
    expect(await raw(server, upgrade('/mesh', evil))).toBe('HTTP/1.1 403 Forbidden')
    expect(await raw(server, upgrade('/other/mesh'))).toBe('HTTP/1.1 404 Not Found')
    expect(await raw(server, 'GET /mesh HTTP/1.1\r\nHost: x\r\n\r\n')).toBe(
      'HTTP/1.1 404 Not Found',
    )
    expect(await raw(without, upgrade('/mesh'))).toBe('HTTP/1.1 404 Not Found')
    expect(accepted).toBe(1)
  })

  test('does not compress, though a client offers it', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const server = await start({ mesh: () => ignore })
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write(upgrade('/mesh', 'Sec-WebSocket-Extensions: permessage-deflate\r\n')),
    )
    socket.on('data', (data) => {
      resolve(String(data).toLowerCase())
      socket.destroy()
    })

    const answer = await promise

    expect(answer).toStartWith('http/1.1 101')
    expect(answer).not.toContain('deflate')
  })

  test('closes a WebSocket that speaks text, or more than a frame', async () => {
    const server = await start({ mesh: () => ignore })
    const ended = (data: string | Uint8Array) => {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const ws = new WebSocket(`${server.url.replace('http', 'ws')}/mesh`)
      ws.addEventListener('open', () => ws.send(data as string))
      ws.addEventListener('close', () => resolve(true))
      return promise
    }

    expect(await ended('text')).toBe(true)
    expect(await ended(new Uint8Array(9 << 20))).toBe(true)
  })

  test('send() says so when a peer that does not read has too much before it', async () => {
    const accepted = Promise.withResolvers<Socket>()
    const closed = Promise.withResolvers<string>()
    const server = await start({
      mesh: (socket) => {
        accepted.resolve(socket)
        return { ...ignore, close: closed.resolve }
      },
    })
    const lazy = connect(server.port, '127.0.0.1', () => lazy.write(upgrade('/mesh')))
    lazy.pause()
    open.push(() => lazy.destroy())
    const socket = await accepted.promise

    const megabyte = new Uint8Array(1 << 20)
    let taken = 0
    while (taken < 100 && socket.send(megabyte)) taken += 1

    expect(taken).toBeGreaterThan(10)
    expect(taken).toBeLessThan(40)
    await closed.promise
    expect(socket.send(megabyte)).toBe(false)
  })
})

const failure = (target: string) =>
  new Promise<string>((resolve) => {
    dial(target, { ...ignore, close: resolve })
  })

describe('dial()', () => {
  test('reports a port where nobody listens, and an address that is none', async () => {
    const server = await start()
    const { url } = server
    await server.stop()

    expect(await failure(url)).not.toBe('')
    expect(await failure('not an address')).not.toBe('')
  })

  test('reports a server that speaks no mesh', async () => {
    const server = await start()

    const reason = await new Promise<string>((resolve) => {
      dial(server.url, { ...ignore, close: resolve })
    })

    expect(reason).not.toBe('')
  })
})

/** A mesh on a port of its own; `until` waits for what it hears. */
async function node(id: string) {
  const received: PeerMessage[] = []
  const links: string[] = []
  const waiting = new Set<() => void>()
  const changed = () => {
    for (const check of waiting) check()
  }
  const server = await start({ mesh: (socket) => mesh.accept(socket) })
  const identity = {
    id,
    incarnation: `i-${id}`,
    clusterId: null,
    foundingList: null,
    url: server.url,
    membershipIndex: 0,
    join: null,
    witness: false,
    version: '0.1.0',
    clusterVersionMax: 2,
  }
  const mesh = new Mesh(
    meshConfig({ identity, secret: new Uint8Array(0), dialsAlways: false }),
    {
      dial,
      nowMs: () => performance.now(),
      setTimer: (ms, run) => {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
      random: prng(1),
      mac: hmacSha256,
      nonce: randomNonce,
      logger: silentLogger,
    },
    {
      judge: () => null,
      up: (peer) => {
        links.push(`up ${peer.id}`)
        changed()
      },
      down: (peer) => {
        links.push(`down ${peer}`)
        changed()
      },
      receive: (_, messages) => {
        received.push(...messages)
        changed()
      },
    },
  )
  open.push(() => mesh.stop())
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!holds()) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  return { id, mesh, server, received, links, until }
}

const proposal = (id: number, bytes: number): PeerMessage => ({
  type: 'request',
  id,
  request: { type: 'propose', command: new Uint8Array(bytes).fill(id) },
})

describe('two meshes over real sockets', () => {
  test('exchange messages from 10 bytes to 1 MiB in both directions', async () => {
    const [n1, n2] = [await node('n1'), await node('n2')]
    n1.mesh.setPeers([{ id: 'n2', url: n2.server.url }])
    n2.mesh.setPeers([{ id: 'n1', url: n1.server.url }])
    await n1.until(() => n1.links.includes('up n2'))
    await n2.until(() => n2.links.includes('up n1'))
    const sizes = [10, 125, 126, 1_800, 65_535, 65_536, 300_000, 1 << 20]
    const messages = sizes.map((bytes, id) => proposal(id, bytes))

    for (const message of messages) {
      expect(n1.mesh.send('n2', message)).toBe(true)
      expect(n2.mesh.send('n1', message)).toBe(true)
      n1.mesh.flush()
      n2.mesh.flush()
    }
    await n1.until(() => n1.received.length === messages.length)
    await n2.until(() => n2.received.length === messages.length)

    expect(n1.received).toEqual(messages)
    expect(n2.received).toEqual(messages)
  })

  test('exchange the largest frame', async () => {
    const [n1, n2] = [await node('n1'), await node('n2')]
    n1.mesh.setPeers([{ id: 'n2', url: n2.server.url }])
    await n1.until(() => n1.links.includes('up n2'))
    await n2.until(() => n2.links.includes('up n1'))
    const large = proposal(1, (8 << 20) - 100)

    expect(n1.mesh.send('n2', large)).toBe(true)
    n1.mesh.flush()
    await n2.until(() => n2.received.length === 1)
    expect(n2.mesh.send('n1', large)).toBe(true)
    n2.mesh.flush()
    await n1.until(() => n1.received.length === 1)

    expect(n1.links).toEqual(['up n2'])
    expect(n2.links).toEqual(['up n1'])
  })

  test('show a refusal on both sides', async () => {
    const [n1, n2] = [await node('n1'), await node('n2')]
    n1.mesh.setPeers([{ id: 'n3', url: n2.server.url }])
    n2.mesh.setPeers([{ id: 'n1', url: null }])
    const refusalOf = ({ mesh }: typeof n1) => mesh.peers()[0]?.refusal ?? null

    while (refusalOf(n1) === null || refusalOf(n2) === null) await Bun.sleep(5)

    expect(refusalOf(n1)).toBe('refused n2: n3 was dialed, not n2')
    expect(refusalOf(n2)).toBe('refused by n1: n3 was dialed, not n2')
  })

  test('find each other again after one was gone', async () => {
    const [n1, n2] = [await node('n1'), await node('n2')]
    n1.mesh.setPeers([{ id: 'n2', url: n2.server.url }])
    await n1.until(() => n1.links.length === 1)
    n2.mesh.stop()
    n2.server.closeNow()
    await n1.until(() => n1.links.length === 2)

    const n2Again = await node('n2')
    n1.mesh.setPeers([{ id: 'n2', url: n2Again.server.url }])
    await n1.until(() => n1.links.length === 3)

    expect(n1.links).toEqual(['up n2', 'down n2', 'up n2'])
  })
})
