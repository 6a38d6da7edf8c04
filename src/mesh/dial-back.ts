/**
 * Streams to a node that only dials (`--advertise none`): it is asked over its link to open one
 * itself, and what it opens next is taken for that. Who asks is the one that fetches, as ever.
 */
import type { NodeId } from '../raft/types.ts'
import type { MeshPorts } from './ports.ts'
import type { Stream, StreamEvents } from './streams.ts'

interface Awaited {
  readonly events: StreamEvents
  readonly cancelTimer: () => void
  /** Null until it has come. */
  stream: Stream | null
}

/** At most one for each peer. */
export class DialBacks {
  readonly #ports: Pick<MeshPorts, 'setTimer'>
  readonly #awaited = new Map<NodeId, Awaited>()

  constructor(ports: Pick<MeshPorts, 'setTimer'>) {
    this.#ports = ports
  }

  /** The stream that `from` was just asked for, or null where it could not be asked. */
  await(
    from: NodeId,
    events: StreamEvents,
    given: { readonly asked: boolean; readonly waitMs: number },
  ): Stream {
    this.#giveUp(from, 'another one was asked for')
    const { asked, waitMs } = given
    const reason = asked ? `${from} did not dial back` : `${from} is not connected`
    const give = (): void => this.#giveUp(from, reason)
    const cancelTimer = this.#ports.setTimer(asked ? waitMs : 0, give)
    const awaited: Awaited = { events, cancelTimer, stream: null }
    this.#awaited.set(from, awaited)
    return {
      send: (type, payload) => awaited.stream?.send(type, payload) ?? false,
      bufferedBytes: () => awaited.stream?.bufferedBytes() ?? 0,
      close: () => {
        if (awaited.stream !== null) awaited.stream.close()
        else if (this.#awaited.get(from) === awaited) this.#giveUp(from, 'closed by this node')
      },
    }
  }

  /** A stream came from `from`: who waits for it, or null where nobody does. */
  take(from: NodeId, stream: Stream): StreamEvents | null {
    const awaited = this.#awaited.get(from)
    if (awaited === undefined) return null
    this.#awaited.delete(from)
    awaited.cancelTimer()
    awaited.stream = stream
    return awaited.events
  }

  /** Nobody hears anything more. */
  stop(): void {
    for (const { cancelTimer } of this.#awaited.values()) cancelTimer()
    this.#awaited.clear()
  }

  #giveUp(from: NodeId, reason: string): void {
    const awaited = this.#awaited.get(from)
    if (awaited === undefined) return
    this.#awaited.delete(from)
    awaited.cancelTimer()
    awaited.events.down(reason)
  }
}
