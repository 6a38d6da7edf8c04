/**
 * Many readers of watches in a process of their own: a process may open 20,000 files, and what they
 * cost must not be counted as the node's. Started by `watch.ts`, which it tells over IPC.
 *
 *     bun test/bench/watchers.ts PORT READERS TOPICS
 *
 * Reader i watches `config/bench/watch/<i modulo TOPICS>`.
 */
import { connect, type Socket } from 'node:net'
import process from 'node:process'

/** What it says; times are of the wall clock, which both processes share. */
export interface ReadersSay {
  /** All are connected and up to date, or a change was told to this many in all. */
  readonly type: 'ready' | 'told'
  readonly events: number
  readonly fewest: number
  readonly atMs: number
}

const MARK = Buffer.from('event: config.put\n')
const SYNC = Buffer.from('event: sync\n')
/** The accept queue of a server has an end. */
const STEP = 200
const REPORT_MS = 20

class Reader {
  readonly socket: Socket
  readonly ready: Promise<void>
  events = 0
  /** What may be the beginning of a mark that the next chunk ends. */
  #tail: Buffer = Buffer.alloc(0)

  constructor(port: number, topic: string, told: (reader: Reader) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.ready = promise
    const path = `/v1/watch?topic=${topic}`
    this.socket = connect(port, '127.0.0.1', () => {
      this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    })
    this.socket.on('error', reject)
    this.socket.on('data', (data: Buffer) => {
      const text = this.#tail.length === 0 ? data : Buffer.concat([this.#tail, data])
      if (text.includes(SYNC)) resolve()
      const found = count(text)
      this.#tail = text.subarray(Math.max(0, text.length - MARK.length + 1))
      if (found === 0) return
      this.events += found
      told(this)
    })
  }
}

function count(text: Buffer): number {
  let found = 0
  for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + MARK.length)) found += 1
  return found
}

async function main(port: number, count: number, topics: number): Promise<void> {
  const readers: Reader[] = []
  let events = 0
  let lastMs = 0
  const say = (type: ReadersSay['type']): void => {
    const fewest = readers.reduce((least, reader) => Math.min(least, reader.events), Infinity)
    process.send?.({ type, events, fewest, atMs: lastMs } satisfies ReadersSay)
  }
  let said = 0
  const told = (): void => {
    events = readers.reduce((sum, reader) => sum + reader.events, 0)
  }
  const note = (): void => {
    lastMs = performance.timeOrigin + performance.now()
  }
  while (readers.length < count) {
    const step = Array.from({ length: Math.min(STEP, count - readers.length) }, (_, i) => {
      const topic = `config/bench/watch/${(readers.length + i) % topics}`
      return new Reader(port, topic, note)
    })
    await Promise.all(step.map(({ ready }) => ready))
    readers.push(...step)
  }
  note()
  say('ready')
  setInterval(() => {
    told()
    if (events === said) return
    said = events
    say('told')
  }, REPORT_MS)
}

// Whoever started us has ended, in whatever way.
process.on('disconnect', () => process.exit())
const [port = 0, readers = 0, topics = 1] = process.argv.slice(2).map(Number)
await main(port, readers, topics)
