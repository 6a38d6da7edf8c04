/** TCP for the production mesh: ordered channels between machines, resets where nobody is. */
import type { Socket, SocketEvents } from '../../src/mesh/mod.ts'
import type { Channel, Network } from './network.ts'

/** One machine, as a socket sees it. */
export interface Endpoint {
  readonly at: number
  /** Grows with every start of its process. */
  readonly boot: number
  readonly isUp: boolean
  /** Runs in its process, as the arrival of something from the network. */
  arrive(run: () => void): void
  accept(socket: Socket): SocketEvents
}

export class SimSocket implements Socket {
  readonly #owner: Endpoint
  readonly #boot: number
  readonly #out: Channel
  far: SimSocket | null = null
  events: SocketEvents | null = null
  #closed = false

  constructor(owner: Endpoint, out: Channel) {
    this.#owner = owner
    this.#boot = owner.boot
    this.#out = out
  }

  /** Whether the process that opened it is still the one that runs. */
  get isAlive(): boolean {
    return !this.#closed && this.#owner.isUp && this.#owner.boot === this.#boot
  }

  send(bytes: Uint8Array): boolean {
    const copy = bytes.slice()
    this.#out.send(() => this.#deliver(copy))
    return true
  }

  bufferedBytes(): number {
    return this.#out.queued > 64 ? 8 * 1024 * 1024 : 0
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#out.send(() => this.far?.reset('closed by the other side'))
  }

  /** The other end is gone, or the network says so. */
  reset(reason: string): void {
    if (!this.isAlive) return
    this.#owner.arrive(() => {
      if (!this.isAlive) return
      this.#closed = true
      this.#out.close()
      this.events?.close(reason)
    })
  }

  #deliver(bytes: Uint8Array): void {
    const { far } = this
    if (far === null) return
    if (!far.isAlive) return this.reset('reset by the other side')
    far.#owner.arrive(() => {
      if (far.isAlive) far.events?.message(bytes)
    })
  }
}

/** Opens a connection; it is open one way trip later, where somebody listens. */
export function dial(
  network: Network,
  ends: { readonly from: Endpoint; readonly to: Endpoint },
  events: SocketEvents,
): SimSocket {
  const { from, to } = ends
  const there = network.channel(from.at, to.at)
  const back = network.channel(to.at, from.at)
  const near = new SimSocket(from, there)
  near.events = events
  there.send(() => {
    if (!to.isUp) return near.reset('connection refused')
    to.arrive(() => {
      const far = new SimSocket(to, back)
      near.far = far
      far.far = near
      far.events = to.accept(far)
      back.send(() =>
        from.arrive(() => {
          if (near.isAlive) events.open()
        }),
      )
    })
  })
  return near
}
