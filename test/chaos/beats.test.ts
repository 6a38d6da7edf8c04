/** The judge of TTLs is judged, by nodes that forget, or do not. */
import { expect, test } from 'bun:test'
import { ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { Beats } from './beats.ts'
import { noCounts, Run } from './run.ts'

interface Behaviour {
  /** Answers of a node that knows the instance, or not. */
  readonly beat: (path: string) => number
  readonly look: () => number
}

/** What is found wrong with a node that behaves like that, until `enough`. */
async function problemsOf(
  { beat, look }: Behaviour,
  enough: (beats: Beats) => boolean,
): Promise<readonly string[]> {
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ method, url }) => {
      const status =
        method === 'PUT' ? 201 : method === 'POST' ? beat(new URL(url).pathname) : look()
      return Response.json({ revision: 1 }, { status })
    },
  })
  const { signal } = new AbortController()
  const counts = noCounts()
  const run = new Run({ scenario: 'beats', seed: 1, seconds: 60, syncs: 1, counts, signal })
  const port = server.port ?? 0
  const node = new ClusterNode({ id: 'n1', port, dataDir: run.folder, command: [], args: [] })
  const beats = new Beats({ run, nodes: () => [node], rate: 1 })
  try {
    await until('enough was seen', () => enough(beats))
    await beats.stop()
    return beats.problems
  } finally {
    await server.stop(true)
    await run.close()
  }
}

test('Beats find nothing where each beat and each look is answered 200', async () => {
  const behaviour = { beat: () => 200, look: () => 200 }

  expect(await problemsOf(behaviour, ({ answered }) => answered >= 9)).toEqual([])
})

test('Beats find an instance that is gone while its beats are answered', async () => {
  let looks = 0
  const behaviour = { beat: () => 200, look: () => ((looks += 1) < 5 ? 200 : 404) }

  const found = await problemsOf(behaviour, ({ problems }) => problems.length > 0)
  expect(found[0]).toContain('does not know it')
})

test('Beats find a beat that is answered 404 before the TTL has passed', async () => {
  let beats = 0
  const behaviour = { beat: () => ((beats += 1) < 5 ? 200 : 404), look: () => 200 }

  const found = await problemsOf(behaviour, ({ problems }) => problems.length > 0)
  expect(found[0]).toContain('answered a beat 404')
})

test('Beats forgive an instance that is gone after nobody answered for its TTL', async () => {
  const startMs = performance.now()
  const isGone = (path: string): boolean =>
    path.includes('beat-0') && performance.now() - startMs > 1_800
  const behaviour = { beat: (path: string) => (isGone(path) ? 404 : 503), look: () => 200 }

  expect(await problemsOf(behaviour, ({ lapsed }) => lapsed >= 1)).toEqual([])
})
