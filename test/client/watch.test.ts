import { expect, test } from 'bun:test'

import type { WatchEvent, WatchOptions } from '../../src/client/mod.ts'
import { framesOf } from '../../src/client/sse.ts'
import type { Frame } from '../../src/client/sse.ts'
import { clientIn, failure, problem, refused, settled, Stream, World } from './world.ts'

/** Watches in the background: what came, and how it ended. */
function watching(world: World, options: WatchOptions = {}) {
  const events: WatchEvent[] = []
  const stop = new AbortController()
  const run = async (): Promise<void> => {
    const watch = clientIn(world).watch(['config/app/*'], { signal: stop.signal, ...options })
    for await (const event of watch) events.push(event)
  }
  const ended = run()
  ended.catch(() => {})
  return { events, ended, stop: () => stop.abort() }
}

/** Nodes that answer each watch with the next of these streams. */
function streams(world: World): Stream[] {
  const all: Stream[] = []
  world.script = (asked) => {
    const stream = new Stream(asked)
    all.push(stream)
    return stream.response
  }
  return all
}

const shown = (events: readonly WatchEvent[]) =>
  events.map(({ type, revision, isLast }) => `${type}@${revision}${isLast ? '.' : ''}`)

test('watch() hands over the events of a revision when its id has come', async () => {
  const world = new World()
  const [all] = [streams(world)]
  const { events, stop } = watching(world, { since: 3 })
  await settled()

  all[0]?.event('config.put', { key: 'app/a', revision: 5 }, null)
  await settled()
  expect(events).toEqual([])

  all[0]?.event('config.put', { key: 'app/b', revision: 5 }, 5)
  await settled()
  expect(shown(events)).toEqual(['config.put@5', 'config.put@5.'])
  expect(events[1]?.data).toEqual({ key: 'app/b', revision: 5 })
  stop()
})

test('watch() goes on after the last whole revision, on another node, and repeats nothing', async () => {
  const world = new World()
  const all = streams(world)
  const { events, stop } = watching(world, { since: 3 })
  await settled()
  all[0]?.event('config.put', {}, 5)
  all[0]?.event('config.put', {}, null) // Of revision 7, whose rest never comes.
  await settled()
  all[0]?.end()
  await world.pass(1_000)
  all[1]?.event('config.put', {}, 5) // What a node repeats is not seen twice.
  all[1]?.event('config.put', {}, null)
  all[1]?.event('config.deleted', {}, 7)
  await settled()

  expect(world.asked.map(({ url }) => url.searchParams.get('since'))).toEqual(['3', '5'])
  expect(world.asked.map(({ headers }) => headers.get('last-event-id'))).toEqual(['3', '5'])
  expect(shown(events)).toEqual(['config.put@5.', 'config.put@7', 'config.deleted@7.'])
  stop()
})

test('watch() resumes after a cut, from the mark before it', async () => {
  const world = new World()
  const all = streams(world)
  const { events, stop } = watching(world, { marks: true })
  await settled()
  all[0]?.mark('sync', 20)
  all[0]?.mark('progress', 30)
  all[0]?.event('cut', { code: 'too_slow', revision: 30 }, 30)
  await world.pass(1_000)

  expect(world.asked.map(({ url }) => url.searchParams.get('since'))).toEqual([null, '30'])
  expect(shown(events)).toEqual(['sync@20.', 'progress@30.'])
  stop()
})

test('watch() leaves a connection that is silent for longer than a node ever is', async () => {
  const world = new World()
  const all = streams(world)
  const troubles: unknown[] = []
  const { stop } = watching(world, { onTrouble: (error) => troubles.push(error) })
  await world.pass(44_000)
  all[0]?.mark('progress', 9)
  await world.pass(44_000)
  expect(world.asked).toHaveLength(1)

  await world.pass(10_000)
  expect(all[0]?.isLeft).toBe(true)
  expect(world.asked).toHaveLength(2)
  expect(troubles).toMatchObject([{ code: 'unreachable' }])
  stop()
})

test('watch() goes on for as long as no node answers', async () => {
  const world = new World()
  world.script = () => {
    throw refused()
  }
  const { events, ended, stop } = watching(world)
  await world.pass(60_000)
  const all = streams(world)
  await world.pass(20_000)
  all[0]?.event('config.put', {}, 5)
  await settled()
  expect(shown(events)).toEqual(['config.put@5.'])

  stop()
  await ended
  expect(all[0]?.isLeft).toBe(true)
  expect(world.timers).toBe(0)
})

test('watch() throws what no other attempt would mend', async () => {
  const world = new World()
  world.script = () => problem(410, 'revision_compacted', { oldest: 77 })

  const error = await failure(watching(world, { since: 3 }).ended)

  expect(error.code).toBe('revision_compacted')
  expect(error.problem['oldest']).toBe(77)
  expect(world.asked).toHaveLength(1)
})

test('watch() leaves its connection when its loop is left', async () => {
  const world = new World()
  const all = streams(world)
  const run = async (): Promise<void> => {
    for await (const event of clientIn(world).watch(['services'])) if (event.isLast) break
  }
  const ended = run()
  await settled()
  all[0]?.event('instance.updated', {}, 4)
  await ended
  await settled()

  expect(all[0]?.isLeft).toBe(true)
  expect(world.timers).toBe(0)
})

test('watch() ends with its client, and begins on none that is closed', async () => {
  const world = new World()
  const all = streams(world)
  const client = clientIn(world)
  const events: WatchEvent[] = []
  const run = async (): Promise<void> => {
    for await (const event of client.watch(['services'])) events.push(event)
  }
  const ended = run()
  await settled()
  expect(all).toHaveLength(1)

  await client.close()
  await world.until(ended)
  expect([events, world.timers]).toEqual([[], 0])
  expect(world.asked[0]?.signal.aborted).toBe(true)
  expect((await failure(run())).code).toBe('closed')
  expect(all).toHaveLength(1)
})

test('framesOf() reads the same frames wherever the stream is cut', async () => {
  const text =
    ': a comment\n\nevent: config.put\ndata: {"value":"ü€𝄞"}\n\n' +
    'event: a\r\ndata: one\r\ndata: two\r\nid: 7\r\n\r\ndata:x\nnonsense\n\nevent: cut off\ndata: never'
  const bytes = new TextEncoder().encode(text)
  const expected: Frame[] = [
    { event: 'message', data: '', id: null },
    { event: 'config.put', data: '{"value":"ü€𝄞"}', id: null },
    { event: 'a', data: 'one\ntwo', id: '7' },
    { event: 'message', data: 'x', id: null },
  ]

  for (let cut = 0; cut <= bytes.length; cut++) {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(bytes.slice(0, cut))
        controller.enqueue(bytes.slice(cut))
        controller.close()
      },
    })
    const frames: Frame[] = []
    for await (const some of framesOf(stream)) frames.push(...some)
    expect(frames, `cut at ${cut}`).toEqual(expected)
  }
})
