import type { Socket, SocketEvents } from '../mesh/mod.ts'

/** A standard WebSocket as the mesh's: dialed on both runtimes, accepted on Deno. */
export class WebSocketSocket implements Socket {
  readonly #ws: WebSocket
  readonly #bufferedBytesMax: number
  #closed = false

  constructor(ws: WebSocket, bufferedBytesMax: number) {
    this.#ws = ws
    this.#bufferedBytesMax = bufferedBytesMax
    ws.binaryType = 'arraybuffer' // The defaults differ: `Buffer` on Bun, `Blob` on Deno.
  }

  /** Passes on what happens to the WebSocket; `close` once, whatever the runtime reports. */
  listen(events: SocketEvents): void {
    const ws = this.#ws
    let problem: string | null = null
    ws.addEventListener('open', () => {
      if (!this.#closed) events.open()
    })
    ws.addEventListener('message', ({ data }: MessageEvent) => {
      if (this.#closed) return
      if (data instanceof ArrayBuffer) events.message(new Uint8Array(data))
      else this.close() // The mesh speaks bytes.
    })
    ws.addEventListener('error', (event: Event) => {
      problem = messageOf(event)
    })
    ws.addEventListener('close', ({ code, reason }: CloseEvent) => {
      events.close(problem ?? (reason === '' ? `closed with ${code}` : reason))
    })
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ws.readyState !== 1) return false
    if (this.#ws.bufferedAmount + bytes.length > this.#bufferedBytesMax) return false
    this.#ws.send(bytes as Uint8Array<ArrayBuffer>)
    return true
  }

  bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    // Only Bun can give a connection up at once; a closing handshake waits for the other side.
    if ('terminate' in this.#ws && typeof this.#ws.terminate === 'function') this.#ws.terminate()
    else this.#ws.close()
  }
}

function messageOf(event: Event): string | null {
  return 'message' in event && typeof event.message === 'string' && event.message !== ''
    ? event.message
    : null
}
