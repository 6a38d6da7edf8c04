import { expect, test } from 'bun:test'
import { REPLICA_DEFAULTS } from '../../src/replica/config.ts'
import { WatchHub, type WatchConfig } from '../../src/replica/watch/hub.ts'
import type { CutCode, WatchEncoder, WatchSink, WatchTopic } from '../../src/replica/mod.ts'
import { EVENT_KINDS, type StoredEvent } from '../../src/state/mod.ts'

const NS = 'default'
const exact = (topic: string): WatchTopic => ({ ns: NS, topic, prefix: false })
const prefix = (topic: string): WatchTopic => ({ ns: NS, topic, prefix: true })

const ENCODER: WatchEncoder = {
  slot: 0,
  values: false,
  event: ({ revision, topic }, isLast) => `${topic}@${revision}${isLast ? '' : '+'} `,
  sync: (revision) => `sync@${revision} `,
  progress: (revision) => `progress@${revision} `,
  cut: (code: CutCode, revision) => `cut:${code}@${revision} `,
}

/** What a reader was sent; it takes all of it until `isFull` says no. */
class Sink implements WatchSink {
  readonly chunks: string[] = []
  isFull = false
  isEnded = false

  get text(): string {
    return this.chunks.join('|')
  }

  write(bytes: Uint8Array): boolean {
    this.chunks.push(new TextDecoder().decode(bytes).trimEnd())
    return !this.isFull
  }

  end(bytes: Uint8Array): void {
    this.write(bytes)
    this.isEnded = true
  }
}

/** A hub over a list of events, in turns that a test makes happen. */
class World {
  readonly hub: WatchHub
  readonly state = {
    revision: 0,
    oldestRevision: 0,
    eventsAfter: (revision: number, { limit }: { limit: number }) => {
      this.pages.push(revision)
      const after = this.events.filter((event) => event.revision > revision)
      const last = after[limit - 1]
      return after.filter((event, i) => i < limit || event.revision === last?.revision)
    },
  }
  events: StoredEvent[] = []
  readonly pages: number[] = []
  nowMs = 0
  readonly #turns: (() => void)[] = []
  #timer: (() => void) | null = null

  constructor(config: Partial<WatchConfig> = {}) {
    const host = {
      state: this.state,
      nowMs: () => this.nowMs,
      defer: (run: () => void) => void this.#turns.push(run),
      setTimer: (_: number, run: () => void) => {
        this.#timer = run
        return () => void (this.#timer = null)
      },
    }
    this.hub = new WatchHub(host, { ...REPLICA_DEFAULTS, ...config })
  }

  /** One entry with an event for each topic, told as one batch. */
  apply(...topics: string[]): void {
    this.hub.applied(this.quietly(...topics), this.state.revision)
  }

  /** The same, unheard of: as a snapshot brings it. */
  quietly(...topics: string[]): StoredEvent[] {
    const revision = (this.state.revision += 1)
    const events = topics.map((topic, n): StoredEvent => {
      const kind = EVENT_KINDS['config.put']
      return {
        revision,
        n,
        ns: NS,
        topic,
        kind,
        atMs: 0,
        body: new Uint8Array(9),
        size: null,
        value: null,
      }
    })
    this.events.push(...events)
    return events
  }

  watch(since: number | null, ...topics: WatchTopic[]) {
    const sink = new Sink()
    const begin = since ?? this.state.revision
    const watch = this.hub.open({ topics, since: begin, encoder: ENCODER, sees: null }, sink)
    return { sink, watch }
  }

  turn(): void {
    for (const run of this.#turns.splice(0)) run()
  }

  settle(): void {
    while (this.#turns.length > 0) this.turn()
  }

  /** Second by second, as the hub looks. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.nowMs += 1_000
      const run = this.#timer
      this.#timer = null
      run?.()
      this.settle()
    }
  }

  get isIdle(): boolean {
    return this.#timer === null && this.#turns.length === 0
  }
}

test('what is applied goes to those who watch it, and to nobody within the apply', () => {
  const world = new World()
  const key = world.watch(null, exact('config/a'))
  const all = world.watch(null, prefix('config/'))
  const services = world.watch(null, exact('services/web'))
  world.settle()

  world.apply('config/a')
  world.apply('services/web/1', 'config/b')
  expect(key.sink.text).toBe('sync@0')
  world.settle()

  expect(key.sink.text).toBe('sync@0|config/a@1')
  expect(all.sink.text).toBe('sync@0|config/a@1 config/b@2')
  expect(services.sink.text).toBe('sync@0|services/web/1@2')
})

test('topics of services: all, one, and neither a namesake nor a longer name', () => {
  const world = new World()
  const all = world.watch(null, exact('services'))
  const web = world.watch(null, exact('services/web'))
  const config = world.watch(null, prefix('config/services'))
  world.settle()
  world.apply('services/web', 'services/web/1', 'services/web2/1', 'services/we')
  world.settle()
  expect(web.sink.chunks[1]).toBe('services/web@1+ services/web/1@1')
  expect(all.sink.chunks[1]?.split(' ').length).toBe(4)
  expect(config.sink.chunks.length).toBe(1)
})

test('an event of several topics of one watch is told once', () => {
  const world = new World()
  const both = world.watch(0, prefix('config/'), prefix('config/a'), exact('config/a'))
  world.apply('config/a')
  world.settle()
  world.apply('config/a')
  world.settle()
  expect(both.sink.chunks.join(' ')).toBe('config/a@1 sync@1 config/a@2')
})

test('who begins in the past reads pages, is told when it is up to date, and misses nothing', () => {
  const world = new World({ watchPage: 2 })
  for (let i = 0; i < 5; i++) world.apply('config/a', 'config/b')
  const watch = world.watch(1, exact('config/a'))
  world.turn()
  world.apply('config/a') // While it still reads.
  world.settle()
  world.apply('config/a')
  world.settle()
  const text = watch.sink.chunks.join(' ')
  expect(text).toBe('config/a@2 config/a@3 config/a@4 config/a@5 config/a@6 sync@6 config/a@7')
  expect(world.pages).toEqual([1, 2, 3, 4, 5, 6].slice(0, world.pages.length))
})

test('those who begin at the same place share the pages', () => {
  const world = new World({ watchPage: 10 })
  for (let i = 0; i < 30; i++) world.apply('config/a')
  const watches = Array.from({ length: 50 }, () => world.watch(0, exact('config/a')))
  world.settle()
  expect(world.pages.length).toBeLessThan(10)
  for (const { sink } of watches) expect(sink.text).toEndWith('sync@30')
})

test('a reader that takes nothing is cut at its bound, with where to go on; others are not held up', () => {
  const world = new World({ watchQueueMax: 3 })
  const slow = world.watch(null, exact('config/a'))
  const fast = world.watch(null, exact('config/a'))
  world.settle()
  slow.sink.isFull = true
  for (let i = 1; i <= 4; i++) {
    world.apply('config/a')
    world.settle()
  }
  expect(slow.sink.isEnded).toBe(false)
  world.apply('config/a')
  world.settle()

  expect(slow.sink.chunks).toEqual(['sync@0', 'config/a@1', 'cut:slow_reader@1'])
  expect(slow.sink.isEnded).toBe(true)
  expect(fast.sink.chunks.at(-1)).toBe('config/a@5')
  expect([world.hub.size, world.hub.queuedBytes]).toEqual([1, 0])
})

test('a reader that reads is not cut, however much happens at once: it reads the table', () => {
  const world = new World({ watchQueueMax: 3, watchPage: 2 })
  const watch = world.watch(null, exact('config/a'))
  world.settle()
  for (let i = 0; i < 10; i++) world.apply('config/a')
  world.settle()
  world.apply('config/a')
  world.settle()
  const told = watch.sink.chunks.join(' ').split(' ')
  expect(told).toEqual(['sync@0', ...Array.from({ length: 11 }, (_, i) => `config/a@${i + 1}`)])
})

test('what waits for all readers together has a bound: the longest stalled goes first', () => {
  const world = new World({ watchLoadBytesMax: 2_000 })
  const watches = Array.from({ length: 3 }, () => world.watch(null, exact('config/a')))
  world.settle()
  for (const { sink } of watches.slice(0, 2)) sink.isFull = true
  for (let i = 0; i < 7; i++) {
    world.apply('config/a')
    world.settle()
    expect(world.hub.queuedBytes).toBeLessThanOrEqual(2_000 + 300)
  }
  expect(watches.map(({ sink }) => sink.isEnded)).toEqual([true, false, false])
  expect(watches[2]?.sink.chunks.at(-1)).toBe('config/a@7')
})

test('a stalled reader goes on where it was once it reads again', () => {
  const world = new World()
  const { sink, watch } = world.watch(null, exact('config/a'))
  world.settle()
  sink.isFull = true
  for (let i = 0; i < 3; i++) world.apply('config/a')
  world.settle()
  for (let i = 0; i < 3; i++) world.apply('config/a')
  world.settle()
  expect(sink.chunks.length).toBe(2)
  sink.isFull = false
  watch.resume()
  world.settle()
  expect(sink.chunks.join(' ').split(' ').length).toBe(7)
})

test('silence is broken by progress, and a sink that takes nothing for long is cut', () => {
  const world = new World({ watchProgressMs: 10_000, watchStallMs: 30_000 })
  const idle = world.watch(null, exact('config/a'))
  const stalled = world.watch(null, exact('config/b'))
  world.settle()
  stalled.sink.isFull = true
  world.apply('config/b')
  world.settle()

  world.pass(10_000)
  expect(idle.sink.chunks).toEqual(['sync@0', 'progress@1'])
  world.pass(10_000)
  expect(idle.sink.chunks.length).toBe(3)
  expect(stalled.sink.isEnded).toBe(false)
  world.pass(11_000)
  expect(stalled.sink.chunks.at(-1)).toBe('cut:slow_reader@1')
})

test('a sink that took all while the node stood still is heard before it is judged', () => {
  const world = new World({ watchStallMs: 30_000 })
  const { watch, sink } = world.watch(null, exact('config/a'))
  world.settle()
  sink.isFull = true
  world.apply('config/a')
  world.settle()

  world.pass(30_000) // It is about to be cut.
  world.nowMs += 1_036
  world.pass(1_000) // The timer that was due comes first, the sink's word after it.
  expect(sink.isEnded).toBe(false)
  sink.isFull = false
  watch.resume()
  world.pass(5_000)
  expect(sink.isEnded).toBe(false)
})

test('what a snapshot brings is read from it; what it no longer holds cuts', () => {
  const world = new World()
  const watch = world.watch(null, exact('config/a'))
  const late = world.watch(0, exact('config/a'))
  world.settle()
  late.sink.isFull = true
  world.apply('config/a')
  world.settle()
  world.apply('config/a') // It waits for the second.
  for (let i = 0; i < 3; i++) world.quietly('config/a')
  world.hub.installed()
  world.settle()
  world.apply('config/a')
  world.settle()
  const told = watch.sink.chunks.join(' ').split(' ')
  expect(told).toEqual(['sync@0', ...Array.from({ length: 6 }, (_, i) => `config/a@${i + 1}`)])

  world.state.oldestRevision = 4
  late.sink.isFull = false
  late.watch.resume()
  world.settle()
  expect(late.sink.chunks.at(-1)).toBe('cut:revision_compacted@1')
})

test('the last reader to go takes timers and turns along', () => {
  const world = new World()
  const { watch } = world.watch(null, exact('config/a'))
  world.settle()
  expect(world.isIdle).toBe(false)
  watch.close()
  world.apply('config/a')
  expect(world.isIdle).toBe(true)
  expect(world.hub.size).toBe(0)
})

test('cutAll() says to everybody where to go on', () => {
  const world = new World()
  const watches = [world.watch(null, exact('config/a')), world.watch(null, exact('services'))]
  world.settle()
  world.apply('config/a')
  world.hub.cutAll('fenced')
  expect(watches.map(({ sink }) => sink.chunks.at(-1))).toEqual(['cut:fenced@0', 'cut:fenced@1'])
})

test('each form of an event is made once for all readers', () => {
  const world = new World()
  let made = 0
  const encoder = { ...ENCODER, event: () => `${(made += 1)} ` }
  for (let i = 0; i < 20; i++) {
    const topics = [exact('config/a')]
    world.hub.open({ topics, since: 0, encoder, sees: null }, new Sink())
  }
  world.settle()
  world.apply('config/a')
  world.settle()
  expect(made).toBe(1)
})

const isPublic = ({ topic }: StoredEvent): boolean => topic !== 'config/secret'

test('sees: what a caller must not know of is not told, and ids stay right', () => {
  const world = new World()
  const sink = new Sink()
  const topics = [prefix('config/')]
  const request = { topics, since: 0, encoder: ENCODER, sees: isPublic }
  world.hub.open(request, sink)
  world.settle()
  world.apply('config/a', 'config/b', 'config/secret')
  world.settle()
  expect(sink.chunks.at(-1)).toBe('config/a@1+ config/b@1')
})
