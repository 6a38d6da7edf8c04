import type { MeshPorts, Socket } from './ports.ts'

/** How long a last frame may take to leave before its socket is closed. */
const FAREWELL_MS = 250

/** Sockets that were given up and are closed in a moment, so that a refusal gets out first. */
export class Farewells {
  readonly #ports: Pick<MeshPorts, 'setTimer'>
  readonly #max: number
  /** What takes the closing back. */
  readonly #leaving = new Map<Socket, () => void>()

  /** Past `max` of them a socket is closed at once: strangers decide how many there are. */
  constructor(ports: Pick<MeshPorts, 'setTimer'>, max: number) {
    this.#ports = ports
    this.#max = max
  }

  closeSoon(socket: Socket): void {
    if (this.#leaving.size >= this.#max) return socket.close()
    const cancel = this.#ports.setTimer(FAREWELL_MS, () => {
      this.#leaving.delete(socket)
      socket.close()
    })
    this.#leaving.set(socket, cancel)
  }

  /** The other side was quicker. */
  closed(socket: Socket): void {
    this.#leaving.get(socket)?.()
    this.#leaving.delete(socket)
  }

  /** Closes all of them now. */
  stop(): void {
    for (const [socket, cancel] of this.#leaving) {
      cancel()
      socket.close()
    }
    this.#leaving.clear()
  }
}
