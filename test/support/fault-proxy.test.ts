/** The proxy itself: what passes it, and what each fault does to it. */
import { afterEach, expect, test } from 'bun:test'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type FaultProxy, openProxy, type ProxyOptions } from './fault-proxy.ts'
import { until } from './until.ts'

/** Larger than what a proxy holds back in one direction. */
const MUCH = 3 * 1024 * 1024

const open: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close()
})

/** A server that keeps what it hears and, unless told otherwise, says the same back. */
class Echo {
  readonly #server: Server
  readonly sockets: Socket[] = []
  heard = Buffer.alloc(0)

  constructor() {
    this.#server = createServer((socket) => {
      this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (bytes: Buffer) => {
        this.heard = Buffer.concat([this.heard, bytes])
        socket.write(bytes)
      })
    })
  }

  async start(options: Partial<ProxyOptions> = {}): Promise<FaultProxy> {
    await new Promise<void>((done) => this.#server.listen({ host: '127.0.0.1', port: 0 }, done))
    const { port } = this.#server.address() as { port: number }
    const proxy = await openProxy({ to: { host: '127.0.0.1', port }, ...options })
    open.push({ close: () => void this.#server.close() }, proxy)
    return proxy
  }
}

/** A client of the proxy. */
class Client {
  readonly socket: Socket
  heard = Buffer.alloc(0)
  closed = false

  constructor(proxy: FaultProxy) {
    this.socket = connect({ host: '127.0.0.1', port: proxy.port })
    this.socket.on('error', () => {})
    this.socket.on('close', () => (this.closed = true))
    this.socket.on('data', (bytes: Buffer) => (this.heard = Buffer.concat([this.heard, bytes])))
    open.push({ close: () => void this.socket.destroy() })
  }

  async says(text: string): Promise<void> {
    this.socket.write(text)
    await until('the bytes have left', () => this.socket.writableLength === 0)
  }
}

async function pair(options: Partial<ProxyOptions> = {}) {
  const echo = new Echo()
  const proxy = await echo.start(options)
  const client = new Client(proxy)
  await client.says('a')
  await until('the echo comes back', () => client.heard.toString() === 'a')
  return { echo, proxy, client }
}

/** Long enough for what is not held back to have arrived. */
const pause = (): Promise<void> => Bun.sleep(100)

test('without a fault, all bytes pass in both directions, whatever their number', async () => {
  const { proxy, client, echo } = await pair()
  client.socket.write(Buffer.alloc(MUCH, 7))
  await until('all came back', () => client.heard.length === 1 + MUCH)
  expect(echo.heard.length).toBe(1 + MUCH)
  expect(Buffer.from(client.heard.subarray(1)).every((byte) => byte === 7)).toBe(true)
  expect(proxy.peers()).toEqual([null])
})

test('delay() is the least that a way takes, and keeps the order', async () => {
  const { proxy, client } = await pair()
  proxy.delay(60)
  const startMs = performance.now()
  for (const text of ['b', 'c', 'd']) await client.says(text)
  await until('the echo comes back', () => client.heard.toString() === 'abcd')
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(119)
})

test('lose() holds up what is lost and all behind it, and loses nothing for good', async () => {
  const { proxy, client } = await pair({ seed: 3 })
  proxy.lose(50, { direction: 'in' }, 30)
  for (let i = 0; i < 20; i++) await client.says(String(i % 10))
  await until('all came back', () => client.heard.toString() === 'a01234567890123456789')
})

test('stall() of one direction stops that one alone; healing delivers what was held', async () => {
  const { proxy, client, echo } = await pair()
  proxy.stall({ direction: 'out' })
  await client.says('b')
  await until('the way in is open', () => echo.heard.toString() === 'ab')
  await pause()
  expect(client.heard.toString()).toBe('a')
  proxy.heal()
  await until('the echo comes back', () => client.heard.toString() === 'ab')
})

test('stall() hides the end of a connection too, and holds the sender back in the end', async () => {
  const { proxy, client, echo } = await pair()
  proxy.stall({ direction: 'in' })
  client.socket.write(Buffer.alloc(8 * MUCH))
  await pause()
  expect(client.socket.writableLength).toBeGreaterThan(0)
  client.socket.destroy()
  await pause()
  expect(echo.heard.toString()).toBe('a')
  expect(echo.sockets[0]?.destroyed).toBe(false)
  proxy.heal()
  await until('it hears of the end', () => echo.sockets[0]?.destroyed === true)
})

test('swallow() takes bytes that never arrive; healing ends the connection with the hole', async () => {
  const { proxy, client, echo } = await pair()
  proxy.swallow({ direction: 'in' })
  await client.says('lost')
  await pause()
  expect([echo.heard.toString(), client.closed]).toEqual(['a', false])
  proxy.heal()
  await until('it is closed', () => client.closed)
  expect(echo.heard.toString()).toBe('a')
})

test('cut() ends a connection in the middle of what is said', async () => {
  const { proxy, client, echo } = await pair()
  proxy.cut(3, { direction: 'in' })
  await client.says('0123456789')
  await until('it is closed', () => client.closed)
  await until('the rest is delivered', () => echo.heard.toString() === 'a012')
  const next = new Client(proxy)
  await next.says('whole')
  await until('the next one is whole', () => next.heard.toString() === 'whole')
})

test('refuse() turns new connections away and leaves the old ones', async () => {
  const { proxy, client } = await pair()
  proxy.refuse()
  const late = new Client(proxy)
  await until('it is closed', () => late.closed)
  await client.says('b')
  await until('the echo comes back', () => client.heard.toString() === 'ab')
})
