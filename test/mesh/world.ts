/** A clock, sockets and nodes for the mesh's tests: nothing real, nothing by chance. */
import { Heap } from '../../src/lib/heap.ts'
import type { Logger } from '../../src/lib/logger.ts'
import { prng } from '../../src/lib/prng.ts'
import {
  hmacSha256,
  Mesh,
  type MeshConfig,
  meshConfig,
  type MeshHost,
  type MeshPorts,
  type PeerIdentity,
  type PeerMessage,
  type PeerStatus,
  type Socket,
  type SocketEvents,
} from '../../src/mesh/mod.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

/** Time that passes when told to; everything that happens is a timer. */
export class World {
  nowMs = 1_000
  readonly #timers = new Heap<Timer>((a, b) =>
    a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs,
  )
  #order = 0
  #nonces = 0
  /** By address. */
  readonly listeners = new Map<string, (socket: Socket) => SocketEvents>()
  /** Every dial, in order. */
  readonly dials: { readonly url: string; readonly atMs: number }[] = []
  /** Damages or drops what goes over the wire. */
  tamper: (bytes: Uint8Array) => Uint8Array | null = (bytes) => bytes

  setTimer(ms: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.nowMs + ms, order: this.#order++, run }
    this.#timers.push(timer)
    return () => {
      timer.run = null
    }
  }

  /** Lets time pass. */
  run(ms: number): void {
    const endMs = this.nowMs + ms
    for (let next = this.#timers.peek(); next !== null && next.atMs <= endMs;) {
      this.#timers.pop()
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run?.()
      next = this.#timers.peek()
    }
    this.nowMs = endMs
  }

  nonce(): Uint8Array {
    return new Uint8Array(32).fill(++this.#nonces)
  }

  dial(url: string, events: SocketEvents): Socket {
    this.dials.push({ url, atMs: this.nowMs })
    const [near, far] = pipe(this)
    this.setTimer(1, () => {
      const listener = this.listeners.get(url)
      if (near.isClosed) return
      if (listener === undefined) return events.close('connection refused')
      near.events = events
      far.events = listener(far)
      events.open()
    })
    return near
  }
}

/** One end of a WebSocket. What is sent arrives a millisecond later, in order. */
export class Pipe implements Socket {
  events: SocketEvents | null = null
  far: Pipe | null = null
  isClosed = false
  /** As if the other side did not read. */
  buffered = 0
  /** Refuses to take more. */
  isFull = false
  /** Delivers nothing, closes nothing: a cable that was cut. */
  isCut = false
  sent = 0
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  send(bytes: Uint8Array): boolean {
    if (this.isFull || this.isClosed) return false
    this.sent += 1
    const tampered = this.isCut ? null : this.#world.tamper(bytes.slice())
    if (tampered === null) return true
    this.#world.setTimer(1, () => {
      if (this.far?.isClosed === false) this.far.events?.message(tampered)
    })
    return true
  }

  bufferedBytes(): number {
    return this.buffered
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    const { far } = this
    if (this.isCut || far === null) return
    this.#world.setTimer(1, () => {
      if (far.isClosed) return
      far.isClosed = true
      far.events?.close('closed by the other side')
    })
  }
}

export function pipe(world: World): [Pipe, Pipe] {
  const [near, far] = [new Pipe(world), new Pipe(world)]
  near.far = far
  far.far = near
  return [near, far]
}

export interface NodeOptions {
  readonly id: string
  readonly secret?: string
  readonly clusterId?: string | null
  readonly incarnation?: string
  readonly judge?: (peer: PeerIdentity) => string | null
  readonly config?: Partial<MeshConfig>
}

/** A mesh with a host that remembers what it was told. */
export class TestNode implements MeshHost {
  readonly mesh: Mesh
  readonly identity: PeerIdentity
  readonly url: string
  /** `up n2`, `down n2: reason`. */
  readonly links: string[] = []
  readonly received: { readonly from: string; readonly message: PeerMessage }[] = []
  readonly log: string[] = []
  /** Sockets that this node dialed or accepted, in order. */
  readonly sockets: Pipe[] = []
  readonly judge: (peer: PeerIdentity) => string | null

  constructor(world: World, options: NodeOptions) {
    const { id } = options
    this.url = `http://${id}`
    this.judge = options.judge ?? (() => null)
    this.identity = {
      id,
      incarnation: options.incarnation ?? `incarnation-of-${id}`,
      clusterId: options.clusterId ?? null,
      foundingList: null,
      url: this.url,
      membershipIndex: 0,
      join: null,
      witness: false,
      version: '0.1.0',
    }
    const secret = new TextEncoder().encode(options.secret ?? 'secret')
    const config = meshConfig({
      identity: this.identity,
      secret,
      dialsAlways: false,
      ...options.config,
    })
    this.mesh = new Mesh(config, this.#ports(world), this)
    world.listeners.set(this.url, (socket) => {
      this.sockets.push(socket as Pipe)
      return this.mesh.accept(socket)
    })
  }

  #ports(world: World): MeshPorts {
    const write = (message: string, fields?: object) => {
      this.log.push(`${message} ${JSON.stringify(fields)}`)
    }
    const logger: Logger = { debug: () => {}, info: write, warn: write, error: write }
    return {
      dial: (url, events) => {
        const socket = world.dial(url, events)
        this.sockets.push(socket as Pipe)
        return socket
      },
      nowMs: () => world.nowMs,
      setTimer: (ms, run) => world.setTimer(ms, run),
      random: prng(1),
      mac: hmacSha256,
      nonce: () => world.nonce(),
      logger,
    }
  }

  up(peer: PeerIdentity): void {
    this.links.push(`up ${peer.id}`)
  }

  down(id: string, reason: string): void {
    this.links.push(`down ${id}: ${reason}`)
  }

  receive(from: string, messages: readonly PeerMessage[]): void {
    for (const message of messages) this.received.push({ from, message })
  }

  status(id: string): PeerStatus {
    const status = this.mesh.peers().find((peer) => peer.id === id)
    if (status === undefined) throw new Error(`${this.identity.id} knows no ${id}`)
    return status
  }

  /** Its newest socket. */
  get socket(): Pipe {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('no socket yet')
    return socket
  }
}

/** Tells all of them about each other. */
export function introduce(...nodes: readonly TestNode[]): void {
  const peers = nodes.map((node) => ({ id: node.identity.id, url: node.url }))
  for (const node of nodes) node.mesh.setPeers(peers)
}

export const proposal = (id: number, bytes: Uint8Array = new Uint8Array([1])): PeerMessage => ({
  type: 'request',
  id,
  request: { type: 'propose', command: bytes },
})
