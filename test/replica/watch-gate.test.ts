import { expect, test } from 'bun:test'
import { REPLICA_DEFAULTS } from '../../src/replica/config.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { openWatch } from '../../src/replica/watch/gate.ts'
import { WatchHub } from '../../src/replica/watch/hub.ts'
import type { WatchEncoder } from '../../src/replica/mod.ts'

const encoder: WatchEncoder = {
  slot: 0,
  values: false,
  event: () => 'event',
  sync: (revision) => `sync ${revision}`,
  progress: () => 'progress',
  cut: () => 'cut',
}

interface Node {
  readonly revision: number
  readonly oldestRevision?: number
  readonly witness?: boolean
  readonly fenced?: string | null
  readonly watchersMax?: number
  /** What the leader has, and this node by the time it answers; null: nobody leads. */
  readonly leaderHas?: number | null
}

/** As much of a replica as is asked here. */
function nodeAt(given: Node) {
  const { oldestRevision = 0, witness = false, fenced = null, leaderHas = null } = given
  const state = { revision: given.revision, oldestRevision, eventsAfter: () => [] }
  const host = { state, nowMs: () => 0, defer: () => {}, setTimer: () => () => {} }
  const watchersMax = given.watchersMax ?? 10
  const watches = new WatchHub(host, { ...REPLICA_DEFAULTS, watchersMax })
  const read = (
    _: unknown,
    query: (of: typeof state) => number,
    done: (result: object) => void,
  ) => {
    if (leaderHas === null) return done({ ok: false, code: 'no_leader' })
    state.revision = leaderHas
    watches.applied([], leaderHas)
    done({ ok: true, value: query(state), stamp: {} })
  }
  const replica = {
    state,
    watches,
    identity: { witness },
    custody: { fence: { reason: fenced } },
    ports: { clock: () => ({ nowMs: 0, wallMs: 0 }) },
    reads: { read },
  } as unknown as Replica
  const open = (since: number | null) =>
    openWatch(
      replica,
      { topics: [], since, encoder, sees: null, timeoutMs: 1 },
      { write: () => true, end: () => {} },
    )
  return { open, watches }
}

test('openWatch() begins now, where it was, and where the leader has been', async () => {
  const { open, watches } = nodeAt({ revision: 5, leaderHas: 9 })
  expect([await open(null), await open(0), await open(5), await open(9)]).toMatchObject([
    { ok: true },
    { ok: true },
    { ok: true },
    { ok: true },
  ])
  expect(watches.size).toBe(4)
})

test('openWatch() refuses what even the leader has not reached: it was seen in another store', async () => {
  const { open, watches } = nodeAt({ revision: 5, oldestRevision: 2, leaderHas: 9 })
  const refused = await open(10)
  expect(refused).toMatchObject({ ok: false, failure: 'revision_compacted', oldest: 2 })
  expect(refused).toHaveProperty('detail', expect.stringContaining('ahead of this store'))
  expect(watches.size).toBe(0)
})

test.each([
  ['what is ahead, while nobody leads', { revision: 5 }, 6, 'no_leader'],
  ['what is no longer kept', { revision: 5, oldestRevision: 3 }, 2, 'revision_compacted'],
  ['readers beyond the bound', { revision: 5, watchersMax: 0 }, null, 'too_many_requests'],
  ['everything on a witness', { revision: 5, witness: true }, null, 'too_stale'],
  ['everything of a wrong state', { revision: 5, fenced: 'it differs' }, null, 'fenced'],
] as const)('openWatch() refuses %s', async (_, node, since, failure) => {
  const { open, watches } = nodeAt(node)
  expect(await open(since)).toMatchObject({ ok: false, failure })
  expect(watches.size).toBe(0)
})

test('openWatch() takes the oldest that is kept', async () => {
  const { open } = nodeAt({ revision: 5, oldestRevision: 3 })
  expect(await open(3)).toMatchObject({ ok: true })
})
