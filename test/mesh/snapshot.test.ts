/** Snapshots on streams: in order or not, cut, repeated, damaged, from another maker (49). */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { prng, type Random } from '../../src/lib/prng.ts'
import {
  serveSnapshot,
  SnapshotFetch,
  type FetchSink,
  type MeshHost,
  type SnapshotSource,
  type Stream,
  type StreamEvents,
} from '../../src/mesh/mod.ts'
import { decodeFetch, decodePiece, encodeFetch } from '../../src/mesh/snapshot-codec.ts'
import { introduce, TestNode, World } from './world.ts'

const SNAPSHOT = { index: 40, term: 3 }
const PIECE = 512 * 1024

function bytesOf(length: number, seed = 1): Uint8Array {
  const random = prng(seed)
  return Uint8Array.from({ length }, () => random(256))
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function sourceOf(bytes: Uint8Array, world: World): SnapshotSource {
  return {
    snapshot: SNAPSHOT,
    bytes: bytes.length,
    sha256: sha256(bytes),
    read: (at, length, done) => void world.setTimer(1, () => done(bytes.slice(at, at + length))),
  }
}

/** A file in memory. */
class Memory implements FetchSink {
  bytes = new Uint8Array(0)
  wanted: Uint8Array | null = null
  begins = 0
  problem: string | null = null

  begin(checksum: Uint8Array, totalBytes: number): number {
    this.begins += 1
    if (this.wanted === null || !Buffer.from(this.wanted).equals(checksum)) {
      this.bytes = new Uint8Array(0)
    }
    this.wanted = checksum
    return Math.min(this.bytes.length, totalBytes)
  }

  write(at: number, bytes: Uint8Array): string | null {
    if (this.problem !== null) return this.problem
    expect(at).toBe(this.bytes.length)
    this.bytes = new Uint8Array([...this.bytes, ...bytes])
    return null
  }

  finish(done: (verdict: 'whole' | 'damaged') => void): void {
    const fits = Buffer.from(this.wanted ?? []).equals(sha256(this.bytes))
    if (!fits) this.bytes = new Uint8Array(0)
    queueMicrotask(() => done(fits ? 'whole' : 'damaged'))
  }
}

type Tamper = (type: string, payload: Uint8Array) => readonly Uint8Array[]

/** One fetch against one server, over streams that do what `tamper` says. */
class Transfer {
  readonly world = new World()
  readonly sink = new Memory()
  readonly events: string[] = []
  opened = 0
  /** Streams break after so many frames; null: never. */
  breaksAfter: number | null = null
  tamper: Tamper = (_, payload) => [payload]
  source: SnapshotSource | null
  fetching: SnapshotFetch | null = null

  constructor(bytes: Uint8Array) {
    this.source = sourceOf(bytes, this.world)
  }

  start(): this {
    this.fetching = new SnapshotFetch(
      SNAPSHOT,
      this.sink,
      { open: (events) => this.#open(events), setTimer: (ms, run) => this.world.setTimer(ms, run) },
      {
        progress: () => {},
        done: (result) => this.events.push(result),
        trouble: (reason) => this.events.push(reason),
      },
    )
    return this
  }

  async run(ms: number): Promise<this> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.world.run(50)
      await Promise.resolve()
    }
    return this
  }

  #open(client: StreamEvents): Stream {
    this.opened += 1
    let frames = 0
    let open = true
    const end = (): void => {
      if (!open) return
      open = false
      this.world.setTimer(1, () => client.down('cut'))
      server.down('cut')
    }
    const side = (
      deliver: (type: 'fetch' | 'piece' | 'gone', bytes: Uint8Array) => void,
    ): Stream => ({
      send: (type, payload) => {
        if (!open) return false
        for (const bytes of this.tamper(type, new Uint8Array(Buffer.concat(payload)))) {
          this.world.setTimer(1, () => {
            frames += 1
            if (this.breaksAfter !== null && frames > this.breaksAfter) end()
            if (open) deliver(type, bytes)
          })
        }
        return true
      },
      bufferedBytes: () => 0,
      close: end,
    })
    const server: StreamEvents = serveSnapshot(
      side((type, bytes) => client.receive(type, bytes)),
      (wanted) => (wanted.index === this.source?.snapshot.index ? this.source : null),
    )
    this.world.setTimer(1, () => {
      server.up()
      client.up()
    })
    return side((type, bytes) => server.receive(type, bytes))
  }
}

describe('SnapshotFetch', () => {
  for (const length of [1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 17]) {
    test(`fetches ${length} bytes`, async () => {
      const bytes = bytesOf(length)
      const transfer = await new Transfer(bytes).start().run(2_000)

      expect(transfer.events).toEqual(['whole'])
      expect(Buffer.compare(transfer.sink.bytes, bytes)).toBe(0)
      expect(transfer.opened).toBe(1)
    })
  }

  test('a stream that breaks again and again costs no byte twice', async () => {
    const bytes = bytesOf(6 * PIECE)
    const transfer = new Transfer(bytes)
    transfer.breaksAfter = 7
    await transfer.start().run(20_000)

    expect(transfer.events.at(-1)).toBe('whole')
    expect(transfer.opened).toBeGreaterThan(1)
    expect(Buffer.compare(transfer.sink.bytes, bytes)).toBe(0)
  })

  test('goes on where an earlier process ended', async () => {
    const bytes = bytesOf(4 * PIECE)
    const transfer = new Transfer(bytes)
    transfer.sink.bytes = bytes.slice(0, 3 * PIECE)
    transfer.sink.wanted = sha256(bytes)
    let pieces = 0
    transfer.tamper = (type, payload) => {
      if (type === 'piece') pieces += 1
      return [payload]
    }
    await transfer.start().run(2_000)

    expect(transfer.events).toEqual(['whole'])
    expect(pieces).toBeLessThanOrEqual(3)
  })

  test('pieces lost and doubled: whole in the end', async () => {
    const random: Random = prng(5)
    const transfer = new Transfer(bytesOf(5 * PIECE))
    transfer.tamper = (type, payload) => {
      if (type !== 'piece') return [payload]
      return [[], [payload], [payload], [payload, payload]][random(4)] ?? []
    }
    await transfer.start().run(300_000)

    expect(transfer.events.at(-1)).toBe('whole')
  })

  test('a flipped bit: fetched again, and given up where it never fits', async () => {
    const transfer = new Transfer(bytesOf(2 * PIECE))
    let flips = 1
    transfer.tamper = (type, payload) => {
      if (type === 'piece' && flips-- > 0) payload[payload.length - 5]! ^= 1
      return [payload]
    }
    await transfer.start().run(10_000)
    expect(transfer.events).toEqual(['the checksum does not fit', 'whole'])

    const hopeless = new Transfer(bytesOf(100))
    hopeless.tamper = (type, payload) => {
      if (type === 'piece') payload[payload.length - 5]! ^= 1
      return [payload]
    }
    await hopeless.start().run(20_000)
    expect(hopeless.events.at(-1)).toBe('gone')
  })

  test('another maker’s snapshot of the same entry in the middle: nothing is mixed', async () => {
    const transfer = new Transfer(bytesOf(6 * PIECE, 1))
    const other = bytesOf(6 * PIECE, 2)
    transfer.start().world.run(6) // A piece or two are there.
    expect(transfer.sink.bytes.length).toBeGreaterThan(0)
    expect(transfer.events).toEqual([])
    transfer.source = sourceOf(other, transfer.world)
    await transfer.run(20_000)

    expect(transfer.events.at(-1)).toBe('whole')
    expect(Buffer.compare(transfer.sink.bytes, other)).toBe(0)
  })

  test('a snapshot that is gone ends it; a full disk only holds it up', async () => {
    const gone = new Transfer(bytesOf(10))
    gone.source = null
    await gone.start().run(1_000)
    expect(gone.events).toEqual(['gone'])

    const full = new Transfer(bytesOf(10))
    full.sink.problem = 'no space'
    await full.start().run(1_200)
    expect(full.events).toContain('no space')
    full.sink.problem = null
    await full.run(2_000)
    expect(full.events.at(-1)).toBe('whole')
  })

  test('a silent server is left for another attempt; cancelled, nothing happens any more', async () => {
    const transfer = new Transfer(bytesOf(10))
    transfer.tamper = () => []
    await transfer.start().run(12_000)
    expect(transfer.events).toContain('silent')
    expect(transfer.opened).toBeGreaterThan(1)
    transfer.fetching?.cancel()
    const { opened } = transfer
    await transfer.run(20_000)
    expect(transfer.opened).toBe(opened)
  })
})

/** Two nodes, whose secrets may differ, after a while. */
function linked(secret = 'secret'): { world: World; a: TestNode; b: TestNode } {
  const world = new World()
  const [a, b] = [new TestNode(world, { id: 'n1' }), new TestNode(world, { id: 'n2', secret })]
  introduce(a, b)
  world.run(2_000)
  return { world, a, b }
}

describe('streams', () => {
  test('are proven like links, beside them, and carry a snapshot', async () => {
    const { world, a, b } = linked()
    const bytes = bytesOf(PIECE + 1)
    const host: MeshHost = a
    host.stream = (peer, stream) => {
      expect(peer.id).toBe('n2')
      return serveSnapshot(stream, () => sourceOf(bytes, world))
    }
    const sink = new Memory()
    const results: string[] = []
    const fetching = new SnapshotFetch(
      SNAPSHOT,
      sink,
      {
        open: (events) => b.mesh.openStream('n1', a.url, events),
        setTimer: (ms, run) => world.setTimer(ms, run),
      },
      {
        progress: () => {},
        done: (result) => results.push(result),
        trouble: (reason) => results.push(reason),
      },
    )
    for (let i = 0; i < 100; i++) {
      world.run(10)
      await Promise.resolve()
    }

    expect(results).toEqual(['whole'])
    fetching.cancel() // Too late to matter.
    expect(Buffer.compare(sink.bytes, bytes)).toBe(0)
    // The peers' link came up once, and stayed.
    expect([a.links, b.links]).toEqual([['up n2'], ['up n1']])
  })

  test('a wrong secret opens none, nor does a host that wants none', () => {
    for (const secret of ['secret', 'another']) {
      const { world, a, b } = linked(secret)
      const seen: string[] = []
      b.mesh.openStream('n1', a.url, {
        up: () => seen.push('up'),
        receive: () => seen.push('received'),
        down: () => seen.push('down'),
      })
      world.run(5_000)
      // The dialer is up as soon as it has accepted the other side; nothing reaches it.
      expect(seen.filter((what) => what !== 'up')).toEqual(['down'])
      if (secret === 'another') expect(seen).toEqual(['down'])
    }
  })
})

describe('the server', () => {
  test('closes a stream that asks for too much or speaks out of turn', () => {
    const world = new World()
    for (const misuse of ['flood', 'garbage', 'piece'] as const) {
      let closed = false
      const stream: Stream = {
        send: () => true,
        bufferedBytes: () => 0,
        close: () => {
          closed = true
        },
      }
      const events = serveSnapshot(stream, () => sourceOf(bytesOf(PIECE), world))
      events.up()
      const request = encodeFetch({ snapshot: SNAPSHOT, offset: 0 })
      if (misuse === 'garbage') events.receive('fetch', new Uint8Array([0xc1]))
      if (misuse === 'piece') events.receive('piece', request)
      if (misuse === 'flood') for (let i = 0; i < 40; i++) events.receive('fetch', request)
      expect(closed, misuse).toBe(true)
    }
  })

  test('what it is asked and answers is bounded before it is believed', () => {
    expect(decodeFetch(encodeFetch({ snapshot: SNAPSHOT, offset: 7 }))).toEqual({
      snapshot: SNAPSHOT,
      offset: 7,
    })
    expect(() => decodeFetch(new Uint8Array([0x90]))).toThrow('fields are missing')
    expect(() => decodePiece(new Uint8Array([0xdd, 7, 255, 255, 255]))).toThrow()
  })
})
