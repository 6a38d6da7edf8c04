/** `--remove-dead-after`: who is gone for good is taken out by the leader. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type Json } from '../support/cluster.ts'
import { until } from '../support/until.ts'

test(
  'cluster: dead: of four, one that is gone is removed; of three, none is; who returns is told',
  withCluster({ size: 4, flags: () => ['--remove-dead-after', '4s'] }, async (cluster) => {
    const leader = await cluster.leader()
    const [first, second] = cluster.others(leader)
    await first!.process.kill()
    const alive = cluster.others(first!)
    await cluster.voters(alive.map(({ id }) => id).sort(), alive[0]!)
    await leader.process.says('removing a member that is silent for too long')
    const { deadMembers } = (await alive[1]!.get('/v1/cluster')).json as { deadMembers: Json }
    expect(deadMembers).toMatchObject({ removeAfterMs: 4_000, silent: [] })
    expect((deadMembers['removed'] as Json[]).map(({ id }) => id)).toEqual([first!.id])

    await second!.process.kill()
    const kept = await until('it is said why the next one stays', async () => {
      const { json } = await leader.get('/v1/cluster')
      const [silent] = (json['deadMembers'] as Json)['silent'] as Json[]
      return (silent?.['silentMs'] as number) > 5_000 ? silent : null
    })
    expect(kept).toMatchObject({ id: second!.id, keptBy: expect.stringContaining('2 voters') })
    second!.start()
    await second!.ready()
    await cluster.voters(alive.map(({ id }) => id).sort(), second!)

    first!.start()
    await first!.process.says('it was removed')
    expect((await first!.get('/readyz')).status).toBe(503)
    expect((await leader.put('/v1/config/k', 'v')).status).toBe(201)
  }),
  TEST_MS,
)
