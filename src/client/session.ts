/** What all parts of one client share: its way to the nodes, its surroundings, and its end. */
import { RollcallError } from './error.ts'
import type { Ports } from './ports.ts'
import { Transport } from './transport.ts'
import type { Answer, CallOptions, TransportOptions } from './transport.ts'

export class Session {
  readonly ports: Ports
  readonly namespace: string
  readonly #transport: Transport
  readonly #open = new Set<AsyncDisposable>()
  readonly #closing = new AbortController()
  /** Fires when the client is closed, for what runs until then. */
  readonly closing = this.#closing.signal

  constructor(options: TransportOptions) {
    this.ports = options.ports
    this.namespace = options.namespace ?? 'default'
    this.#transport = new Transport(options)
  }

  call(method: string, path: string, options?: CallOptions): Promise<Answer> {
    return this.#transport.call(method, path, options)
  }

  /** Of an event: reads from now on are not answered from before it. */
  saw(revision: number): void {
    this.#transport.saw(revision)
  }

  /** For what begins something that lasts: nothing begins on a client that is closed. */
  assertOpen(): void {
    if (this.closing.aborted) throw new RollcallError('closed', 'this client is closed')
  }

  /** `thing` is closed with the client; `leave` takes it out when it ended before. */
  join(thing: AsyncDisposable): () => void {
    this.#open.add(thing)
    return () => void this.#open.delete(thing)
  }

  /**
   * Closes all that is open, and waits until the nodes were told, or could not be: then a time to live
   * ends it.
   */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#open].map((thing) => thing[Symbol.asyncDispose]()))
  }
}
