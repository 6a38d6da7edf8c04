/** `kill -9` under load: what was acknowledged is there, whoever died. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster } from '../support/cluster.ts'
import { Load } from '../support/load.ts'

const WRITERS = 12

test(
  'cluster: leader killed: every acknowledged write is there, and the others go on',
  withCluster(
    { flags: (place) => (place === 2 ? ['--sqlite', 'sql.js'] : []) },
    async (cluster) => {
      const leader = await cluster.leader()
      const others = cluster.others(leader)
      const load = new Load('killed', cluster.nodes, WRITERS)
      await load.progress(20)

      await leader.process.kill()
      await load.progress(20)
      const next = await cluster.leader(others)
      await load.stop()

      expect(next.id).not.toBe(leader.id)
      await load.verifyOn(others, 'linearizable')

      leader.start()
      await leader.ready()
      await cluster.recovered()
      await load.verifyOn(cluster.nodes, 'stale')
    },
  ),
  TEST_MS,
)

test(
  'cluster: leader killed three times in a row: the one that comes back serves what it missed',
  withCluster({}, async (cluster) => {
    const load = new Load('rolling', cluster.nodes, WRITERS)
    for (let round = 0; round < 3; round++) {
      await load.progress(10)
      const leader = await cluster.leader()
      await leader.process.kill()
      await load.progress(10)
      leader.start()
      await leader.ready()
    }
    await load.stop()

    await cluster.recovered()
    await load.verifyOn(cluster.nodes, 'stale')
  }),
  TEST_MS,
)

test(
  'cluster: all killed at once and started again: nothing that was acknowledged is lost',
  withCluster(
    { flags: (place) => (place === 0 ? ['--sqlite', 'sql.js'] : []) },
    async (cluster) => {
      for (let round = 0; round < 2; round++) {
        const load = new Load(`all-${round}`, cluster.nodes, WRITERS)
        await load.progress(15)
        const dying = cluster.nodes.map((node) => node.process.kill())
        await Promise.all([...dying, load.stop()])

        for (const node of cluster.nodes) node.start()
        await cluster.ready()

        await cluster.recovered()
        await load.verifyOn(cluster.nodes, 'lease')
      }
    },
  ),
  TEST_MS,
)

test(
  'cluster: a majority restarted while one stays: nothing that was acknowledged is lost',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const [other] = cluster.others(leader)
    const load = new Load('majority', cluster.nodes, WRITERS)
    await load.progress(15)

    await Promise.all([leader.process.kill(), other!.process.kill()])
    leader.start()
    other!.start()
    await cluster.ready()
    await load.progress(5)
    await load.stop()

    await cluster.recovered()
    await load.verifyOn(cluster.nodes, 'stale')
  }),
  TEST_MS,
)
