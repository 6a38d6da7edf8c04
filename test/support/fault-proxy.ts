/**
 * A TCP proxy in front of one node that delays, holds back, loses or cuts what passes.
 *
 * A node advertises its proxy's address, so its peers dial that. There is one link a pair of
 * nodes, dialed by either; `peer` narrows a fault to the links that this node dialed, whose name
 * the proxy reads from the mesh handshake. `cluster.ts` opens one for each node (`proxied`) and
 * `Cluster.links` finds the right direction of the right proxy for "from a to b".
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { prng, type Random } from '../../src/lib/prng.ts'
import { type Faults, FaultPipe, NO_FAULTS } from './fault-pipe.ts'
import { dialerReader } from './mesh-dialer.ts'

/** As seen by the node behind the proxy. */
export type Direction = 'in' | 'out'

/** What a fault is for; all of what is left out. */
export interface Where {
  readonly direction?: Direction
  /** The node that dialed; a connection of nobody known is no peer's. */
  readonly peer?: string
}

export interface ProxyOptions {
  readonly to: { readonly host: string; readonly port: number }
  /** Where it listens; a free port without one. */
  readonly port?: number
  /** Decides which pieces are lost. */
  readonly seed?: number
}

interface Rule {
  readonly where: Where
  readonly faults: Partial<Faults>
}

interface Connection {
  peer: string | null
  readonly pipes: Readonly<Record<Direction, FaultPipe>>
  end(): void
}

/** Listens on a port of loopback; whoever opened it closes it. */
export async function openProxy(options: ProxyOptions): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true })
  const proxy = new FaultProxy(options, server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: options.port ?? 0 }, resolve)
  })
  return proxy
}

export class FaultProxy {
  readonly #to: ProxyOptions['to']
  readonly #server: Server
  readonly #random: Random
  readonly #connections = new Set<Connection>()
  #rules: Rule[] = []
  #refusing = false

  constructor({ to, seed = 1 }: ProxyOptions, server: Server) {
    this.#to = to
    this.#server = server
    this.#random = prng(seed)
    server.on('connection', (socket) => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed')
    return address.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Who is connected just now; null for a client that is no node. */
  peers(): (string | null)[] {
    return [...this.#connections].map(({ peer }) => peer)
  }

  /** Everything takes so much longer. */
  delay(ms: number, where: Where = {}): void {
    this.#add({ delayMs: ms }, where)
  }

  /** Of a hundred pieces so many are lost and sent again after `retransmitMs`. */
  lose(percent: number, where: Where = {}, retransmitMs = NO_FAULTS.retransmitMs): void {
    this.#add({ lossPercent: percent, retransmitMs }, where)
  }

  /** As by a partition: nothing arrives, and after healing all does. */
  stall(where: Where = {}): void {
    this.#add({ stalled: true }, where)
  }

  /** As by a box in between that takes all and passes nothing on. */
  swallow(where: Where = {}): void {
    this.#add({ swallowed: true }, where)
  }

  /** Every connection there is delivers so many more bytes, then ends. New ones are whole. */
  cut(afterBytes = 0, where: Where = {}): void {
    for (const connection of this.#connections) {
      if (where.peer !== undefined && where.peer !== connection.peer) continue
      for (const direction of directionsOf(where)) {
        connection.pipes[direction].cutAfter(afterBytes)
      }
      if (afterBytes === 0) connection.end()
    }
  }

  /** New connections are closed at once, as where nobody listens. */
  refuse(): void {
    this.#refusing = true
  }

  /** Takes every fault away, or those of exactly this place. */
  heal(where?: Where): void {
    if (where === undefined) this.#refusing = false
    this.#rules = this.#rules.filter((rule) => where !== undefined && !isSame(rule.where, where))
    this.#pump()
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.end()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #add(faults: Partial<Faults>, where: Where): void {
    this.#rules.push({ where, faults })
    this.#pump()
  }

  #pump(): void {
    for (const { pipes } of this.#connections) {
      pipes.in.pump()
      pipes.out.pump()
    }
  }

  /** All rules that fit, the newest last. */
  #faults(direction: Direction, peer: string | null): Faults {
    const fitting = this.#rules.filter(
      ({ where }) =>
        (where.direction ?? direction) === direction &&
        (where.peer === undefined || where.peer === peer),
    )
    return Object.assign({ ...NO_FAULTS }, ...fitting.map(({ faults }) => faults)) as Faults
  }

  #accept(client: Socket): void {
    if (this.#refusing) return void client.destroy()
    const node = connect({ ...this.#to, allowHalfOpen: true })
    for (const socket of [client, node]) {
      socket.setNoDelay(true)
      socket.on('error', () => {}) // `close` follows, and is passed on.
    }
    const open = new Set<Direction>(['in', 'out'])
    const pipe = (direction: Direction, source: Socket, target: Socket): FaultPipe =>
      new FaultPipe({
        source,
        target,
        random: this.#random,
        faults: () => this.#faults(direction, connection.peer),
        ...(direction === 'in' ? { onBytes: learn } : {}),
        onEnd: () => void (open.delete(direction) && open.size === 0 && connection.end()),
        onBreak: () => connection.end(),
      })
    const readDialer = dialerReader()
    const learn = (bytes: Uint8Array): void => {
      connection.peer ??= readDialer(bytes)
    }
    const connection: Connection = {
      peer: null,
      pipes: { in: pipe('in', client, node), out: pipe('out', node, client) },
      end: () => this.#end(connection, [client, node]),
    }
    this.#connections.add(connection)
  }

  /** What was written still leaves. */
  #end(connection: Connection, sockets: readonly Socket[]): void {
    if (!this.#connections.delete(connection)) return
    connection.pipes.in.close()
    connection.pipes.out.close()
    for (const socket of sockets) socket.destroySoon()
  }
}

function directionsOf({ direction }: Where): readonly Direction[] {
  return direction === undefined ? ['in', 'out'] : [direction]
}

function isSame(one: Where, other: Where): boolean {
  return one.direction === other.direction && one.peer === other.peer
}
