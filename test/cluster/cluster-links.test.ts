/** Nodes whose links are hurt by a proxy between them: slow, one-way, stalled, cut in a frame. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'

test(
  'cluster: links: a leader that hears nobody steps down, and a one-way link costs no write',
  withCluster({ proxied: true }, async (cluster) => {
    const { links } = cluster
    const load = new Load('links', cluster.nodes, 3)
    const old = await cluster.leader()
    for (const node of cluster.others(old)) links.stall(node, old)
    const fresh = await cluster.leader(cluster.others(old))
    expect(fresh.id).not.toBe(old.id)
    await until('the old one knows', async () => (await old.status())['role'] !== 'leader')
    links.heal()
    await cluster.leader()

    const [mute] = cluster.others(await cluster.leader())
    links.stall(mute!, await cluster.leader())
    const before = load.acks
    await until('writes go on', () => load.acks >= before + 50)
    links.heal()
    await load.stop()
    await cluster.leader()
    await cluster.settled()
    await load.verifyOn(cluster.nodes, 'stale')
  }),
  TEST_MS,
)

test(
  'cluster: links: cut inside a frame again and again: whole frames or none',
  withCluster({ proxied: true }, async (cluster) => {
    const { links } = cluster
    const load = new Load('cuts', cluster.nodes, 3)
    for (let round = 0; round < 10; round++) {
      const leader = await cluster.leader()
      const before = load.acks
      for (const node of cluster.others(leader)) links.cut(101 + 37 * round, leader, node)
      await until('writes go on', () => load.acks >= before + 20)
    }
    await load.stop()
    const ended = cluster.nodes.flatMap((node) => node.process.saying('peer disconnected'))
    expect(ended.length).toBeGreaterThanOrEqual(10)
    await cluster.leader()
    await cluster.settled()
    await load.verifyOn(cluster.nodes, 'stale')
  }),
  TEST_MS,
)
