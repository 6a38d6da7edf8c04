/** Logs that a disk has hurt: what is known to have been durable is never given up silently. */
import { expect, test } from 'bun:test'
import { appendFileSync, cpSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { TEST_MS, withCluster, type ClusterNode } from '../support/cluster.ts'
import { run } from '../support/program.ts'
import { appendCopy, batchesOf, digests, flip, lastBatch, overwrite } from '../support/wal-file.ts'

const ALONE = { size: 1, flags: () => ['--sqlite', 'sql.js'] }
const GARBAGE = new Uint8Array([0xde, 0xad, 0xbe, 0xef])

async function value(node: ClusterNode, key: string): Promise<string | null> {
  const { status, text } = await node.get(`/v1/config/${key}`)
  expect([200, 404]).toContain(status)
  return status === 200 ? text : null
}

/**
 * Killed right after it has acknowledged a large value, whose batch is the last one then: a check of
 * the state may have come in between, so it is tried again. Answers the value's key.
 */
async function killedBehind(node: ClusterNode, prefix: string): Promise<string> {
  for (let tries = 0; tries < 10; tries++) {
    const key = `${prefix}-${tries}`
    await node.set(key, 'x'.repeat(20_000))
    await node.process.kill()
    if (lastBatch(node.dataDir).bytes > 20_000) return key
    node.start()
    await node.ready()
  }
  throw new Error('there was always something behind it')
}

/** Starts it where it must not start; answers what it said. */
async function refused(node: ClusterNode): Promise<string> {
  const before = digests(join(node.dataDir, 'log'))
  const { code, err } = await run(node.args)

  expect(code).toBe(3)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(err).not.toContain('    at ')
  expect(digests(join(node.dataDir, 'log'))).toEqual(before)
  return err
}

test(
  'cluster: damage before the durable end: exit 3 with file and offset, and the log is left alone',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    for (let i = 0; i < 8; i++) await node.set(`k${i}`, `v${i}`)
    await node.stop()
    const batches = batchesOf(node.dataDir)
    const recorded = Math.max(...batches.map(({ header }) => header.durableUpTo))
    // The first, one of the middle, and the last that is recorded as durable.
    const durable = batches.filter(({ header }) => header.sequence <= recorded)
    const victims = [durable[0]!, durable[durable.length >> 1]!, durable.at(-1)!]

    for (const { file, offset } of victims) {
      for (const at of [offset + 1, offset + 20, offset + 60]) {
        flip(file, at)
        const said = await refused(node)
        expect(said).toContain(file.split('/').at(-1)!)
        expect(said).toMatch(/damaged|belongs|expected/)
        flip(file, at)
      }
    }

    // Healed, it starts, and nothing is gone.
    node.start()
    await node.ready()
    for (let i = 0; i < 8; i++) expect(await value(node, `k${i}`)).toBe(`v${i}`)
  }),
  TEST_MS,
)

test(
  'cluster: a log that is gone or too short for its state is refused, not founded anew',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    for (let i = 0; i < 4; i++) await node.set(`k${i}`, `v${i}`)
    await node.process.kill()
    const { file, offset } = lastBatch(node.dataDir)
    truncateSync(file, batchesOf(node.dataDir)[1]!.offset)

    const cut = await refused(node)
    rmSync(join(node.dataDir, 'log'), { recursive: true })
    const without = await run(node.args)

    expect(offset).toBeGreaterThan(0)
    expect(cut).toContain(node.dataDir)
    expect(without.code).toBe(3)
    expect(without.err.trim().split('\n')).toHaveLength(1)
  }),
  TEST_MS,
)

test(
  'cluster: a torn tail is cut, and the node starts with all that was durable before',
  withCluster(ALONE, async (cluster) => {
    const node = cluster.node(0)
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 5; i++) await node.set(`kept-${round}-${i}`, 'kept')
      const torn = await killedBehind(node, `torn-${round}`)
      const { file, offset, bytes, header } = lastBatch(node.dataDir)
      expect(header.durableUpTo).toBeLessThan(header.sequence)
      // A page in the middle never arrived, or holds garbage, or nothing came after the first.
      const length = 4_096
      if (round === 0) overwrite(file, { offset: offset + length, length }, new Uint8Array(1))
      if (round === 1) overwrite(file, { offset: offset + 2 * length, length }, GARBAGE)
      if (round === 2) truncateSync(file, offset + length + 100)
      expect(bytes).toBeGreaterThan(3 * length)

      node.start()
      await node.ready()

      expect(await value(node, torn)).toBeNull()
      for (let i = 0; i < 5; i++) expect(await value(node, `kept-${round}-${i}`)).toBe('kept')
    }
  }),
  TEST_MS,
)

test(
  'cluster: a log cut in a torn batch, written again and cut again never revives an old batch',
  withCluster(ALONE, async (cluster) => {
    const node = cluster.node(0)
    await node.set('first', 'kept')
    await node.set('torn', 'x'.repeat(20_000))
    await node.process.kill()
    // A kernel writes pages in any order: behind the tear stands a batch that is whole.
    const torn = lastBatch(node.dataDir)
    const behind = appendCopy(torn)
    overwrite(torn.file, { offset: torn.offset + 4_096, length: 4_096 }, new Uint8Array(1))

    node.start()
    await node.ready()
    expect(await value(node, 'torn')).toBeNull()
    expect(await value(node, 'first')).toBe('kept')
    await node.set('second', 'kept')
    await node.set('third', 'y'.repeat(20_000))
    await node.process.kill()
    const newest = lastBatch(node.dataDir)
    expect(newest.offset).toBeLessThan(behind.offset + behind.bytes) // Written over the old ones.
    overwrite(newest.file, { offset: newest.offset + 4_096, length: newest.bytes }, GARBAGE)

    for (let start = 0; start < 2; start++) {
      node.start()
      await node.ready()
      expect(await value(node, 'first')).toBe('kept')
      expect(await value(node, 'second')).toBe('kept')
      expect(await value(node, 'third')).toBeNull()
      expect(await value(node, 'torn')).toBeNull()
      await node.set(`again-${start}`, 'kept')
      await node.process.kill()
    }
  }),
  TEST_MS,
)

test(
  'cluster: a follower that died in the middle of a write takes the rest from the others',
  withCluster(
    { flags: (place) => (place === 2 ? ['--sqlite', 'sql.js'] : []) },
    async (cluster) => {
      const torn = cluster.node(2)
      for (let i = 0; i < 5; i++) await cluster.node(0).set(`k${i}`, 'v'.repeat(9_000))
      await cluster.settled()
      await torn.process.kill()
      // What it has acknowledged is on its disk; half of one batch more is, too.
      const { file, offset, bytes } = appendCopy(lastBatch(torn.dataDir))
      overwrite(file, { offset: offset + 100, length: bytes >> 1 }, GARBAGE)
      await cluster.node(0).set('meanwhile', 'v')

      torn.start()
      await torn.ready()
      await cluster.settled()

      for (let i = 0; i < 5; i++) {
        const { text } = await torn.get(`/v1/config/k${i}?consistency=stale`)
        expect(text).toBe('v'.repeat(9_000))
      }
      expect(await value(torn, 'meanwhile')).toBe('v')
    },
  ),
  TEST_MS,
)

test(
  'cluster: bytes behind the log, which nobody wrote, are no reason to refuse it',
  withCluster(ALONE, async (cluster) => {
    const node = cluster.node(0)
    await node.set('k', 'v')
    await node.process.kill()
    const { file, offset, bytes } = lastBatch(node.dataDir)
    overwrite(file, { offset: offset + bytes, length: 10_000 }, GARBAGE)
    appendFileSync(file, GARBAGE)

    node.start()
    await node.ready()
    expect(await value(node, 'k')).toBe('v')
  }),
  TEST_MS,
)

test(
  'cluster: a disk that lost what it had acknowledged: leader and node say so, nobody counts it, the rest goes on',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const [liar, other] = cluster.others(leader) as [ClusterNode, ClusterNode]
    await leader.set('before', 'v')
    await cluster.settled()
    await liar.process.kill()
    const older = join(cluster.folder, 'older')
    cpSync(liar.dataDir, older, { recursive: true })
    liar.start()
    await liar.ready()
    for (let i = 0; i < 20; i++) await leader.set(`k${i}`, `v${i}`)
    await cluster.settled()
    expect((await leader.status())['role']).toBe('leader')
    // As a disk does that calls durable what it only holds in memory.
    await liar.process.kill()
    rmSync(liar.dataDir, { recursive: true })
    cpSync(older, liar.dataDir, { recursive: true })

    liar.start()

    expect(await liar.process.ended()).toBe(3)
    const [said] = liar.process.saying('does not hold that any more')
    expect(said).toContain('move its data directory away')
    const [told] = leader.process.saying('it is not counted any more')
    expect(told).toContain(`"member":"${liar.id}"`)
    await other.set('after', 'v')

    // Wiped, it is taken back.
    rmSync(liar.dataDir, { recursive: true })
    liar.start()
    await liar.ready()
    await cluster.voters(
      cluster.nodes.map(({ id }) => id),
      leader,
    )
    await cluster.settled()
    expect((await liar.get('/v1/config/k19?consistency=stale')).text).toBe('v19')
  }),
  TEST_MS,
)
