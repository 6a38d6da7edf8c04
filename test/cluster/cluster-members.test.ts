/** The members of a running cluster change, while it serves. */
import { expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { binary, Program } from '../support/program.ts'
import { TEST_MS, urlOf, withCluster, freePorts } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'

test(
  'cluster: one node grows to three by --join while it is written to',
  withCluster({ size: 1 }, async (cluster) => {
    const [n1] = cluster.nodes
    const load = new Load('grow', [n1!], 4)
    await load.progress(20)
    const n2 = await cluster.joiner('n2', n1!)
    n2.start()
    await n2.ready()
    await cluster.voters(['n1', 'n2'], n1!)
    // Through a member that may not lead, and with a lower id than all others.
    const n0 = await cluster.joiner('n0', n2)
    n0.start()
    await n0.ready()
    await cluster.voters(['n0', 'n1', 'n2'], n0)
    await load.progress(20)
    await load.stop()

    await cluster.settled()
    await load.verifyOn(cluster.nodes, 'stale')
    // Any one of the three may go now.
    await (await cluster.leader()).process.kill()
    const left = cluster.nodes.filter((node) => node.isRunning)
    // What leaves on the link to the killed one before that is known as lost, is unknown.
    await until('the others write on', () => left[0]!.set('k?timeout=30s', 'v').then(() => true))
    await load.verifyOn(left, 'lease')
    // And comes back with its --join, which is for the first start only.
    for (const node of cluster.nodes) if (!node.isRunning) node.start()
    await cluster.ready()
    await cluster.voters(['n0', 'n1', 'n2'], left[0]!)
  }),
  TEST_MS,
)

test(
  'cluster: a follower is removed and told, then the leader, while it is written to',
  withCluster({ size: 3 }, async (cluster) => {
    const leader = await cluster.leader()
    const [follower, other] = cluster.others(leader)
    const load = new Load('shrink', [leader, other!], 4)
    await load.progress(10)

    const removed = await other!.call('DELETE', `/v1/cluster/members/${follower!.id}`)
    expect([removed.status, removed.json['warnings']]).toEqual([
      202,
      [expect.stringContaining('2')],
    ])
    const left = [leader.id, other!.id].sort()
    await cluster.voters(left, leader)
    await follower!.process.says('not a member of its cluster any more')
    await load.progress(10)

    const again = await other!.call('DELETE', `/v1/cluster/members/${follower!.id}`)
    expect([again.status, again.json['code']]).toEqual([404, 'not_found'])

    expect((await other!.call('DELETE', `/v1/cluster/members/${leader.id}`)).status).toBe(202)
    await cluster.voters([other!.id], other!)
    await leader.process.says('not a member of its cluster any more')
    await load.progress(10)
    await load.stop()
    await load.verify(other!, 'linearizable')

    const last = await other!.call('DELETE', `/v1/cluster/members/${other!.id}`)
    expect([last.status, last.json['code']]).toEqual([409, 'conflict'])
  }),
  TEST_MS,
)

test(
  'cluster: a node is replaced in one step, with the whole membership at once',
  withCluster({ size: 3 }, async (cluster) => {
    const leader = await cluster.leader()
    const [gone, stays] = cluster.others(leader)
    await leader.put('/v1/config/k', 'kept')
    await gone!.process.kill()
    const fresh = await cluster.joiner('n4', leader)
    const ids = [leader.id, stays!.id, 'n4'].sort()

    const members = ids.map((id) => ({ id, ...(id === 'n4' ? { url: fresh.url } : {}) }))
    const answer = await stays!.put('/v1/cluster/members', { members })
    expect([answer.status, answer.json['warnings']]).toEqual([202, []])
    // Nothing is given up before the new one is there.
    const { json } = await leader.get('/v1/cluster')
    expect(json['change']).toMatchObject({ phase: 'catching_up', voters: ids })
    expect((await cluster.members(leader))[gone!.id]).toMatchObject({ role: 'voter' })

    fresh.start()
    await fresh.ready()
    await cluster.voters(ids, fresh)
    expect((await fresh.get('/v1/config/k?consistency=stale')).text).toBe('kept')
    // The old one comes back too late, and is told so.
    gone!.start()
    await gone!.process.says('was removed')
    expect((await stays!.put('/v1/config/k', 'on')).status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: a wiped voter is taken back by itself, whoever it was, and never counts meanwhile',
  withCluster({ size: 3 }, async (cluster) => {
    for (const wiped of cluster.nodes) {
      const others = cluster.others(wiped)
      await others[0]!.put('/v1/config/k', wiped.id)
      await wiped.process.kill()
      rmSync(wiped.dataDir, { recursive: true })
      wiped.start()

      await wiped.ready()
      await cluster.voters(['n1', 'n2', 'n3'], others[0]!)
      expect((await wiped.get('/v1/config/k?consistency=linearizable')).text).toBe(wiped.id)
    }
    const ids = await Promise.all(
      cluster.nodes.map(async (node) => (await node.get('/v1/cluster')).json['clusterId']),
    )
    expect(new Set(ids).size).toBe(1)
    // They count as voters again: any two of them decide.
    await cluster.node(0).process.kill()
    expect((await cluster.node(1).put('/v1/config/k?timeout=30s', 'two')).status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: a typed-wrong address costs nothing, and says what it waits for',
  withCluster({ size: 3 }, async (cluster) => {
    const [a, b, c] = cluster.nodes
    const [nowhere = 0] = await freePorts(1)
    const body = { id: 'n4', url: urlOf(nowhere), role: 'voter' }
    const added = await a!.call('POST', '/v1/cluster/members', { body })
    expect(added.status).toBe(202)
    expect(added.json['warnings']).toEqual([expect.stringContaining('4 voters')])

    const { json } = await b!.get('/v1/cluster')
    const blockedBy = [expect.stringContaining('n4 never started')]
    expect(json['change']).toMatchObject({ phase: 'catching_up', blockedBy })
    // One of the three may still go: the fourth counts for nothing.
    await c!.process.kill()
    expect((await a!.put('/v1/config/k?timeout=30s', 'two of three')).status).toBe(201)
    c!.start()
    await cluster.ready()

    // Taken back as a wish, it cannot be promoted before it was heard; then it is removed.
    const post = (role: string) =>
      b!.call('POST', '/v1/cluster/members', { body: { id: 'n4', role } })
    expect((await post('learner')).status).toBe(202)
    const promoted = await post('voter')
    expect([promoted.status, promoted.json['code']]).toEqual([409, 'conflict'])
    expect(promoted.json['detail']).toContain('never started')
    expect((await a!.call('DELETE', '/v1/cluster/members/n4')).status).toBe(202)
    await cluster.voters(['n1', 'n2', 'n3'], b!)

    // And a voter that is connected is not sent elsewhere by a slip.
    const members = [{ id: 'n1', url: urlOf(nowhere) }, { id: 'n2' }, { id: 'n3' }]
    const moved = await b!.put('/v1/cluster/members', { members })
    expect([moved.status, moved.json['code']]).toEqual([409, 'conflict'])
  }),
  TEST_MS,
)

test(
  'cluster: a learner stays one and serves reads, is promoted and withdrawn by the CLI',
  withCluster({ size: 1 }, async (cluster) => {
    const [n1] = cluster.nodes
    await n1!.put('/v1/config/k', 'v')
    const n2 = await cluster.joiner('n2', n1!, ['--role', 'learner'])
    n2.start()
    await n2.ready()
    expect((await n2.status())['role']).toBe('learner')
    expect((await cluster.members(n1!))['n2']).toMatchObject({ role: 'learner', reachable: true })
    expect((await n2.get('/v1/config/k')).text).toBe('v')

    // Its loss costs no quorum; its promotion does, so it waits for it to be there.
    await n2.process.kill()
    expect((await n1!.put('/v1/config/k', 'w')).status).toBe(200)
    const cli = async (...args: string[]) => {
      const program = new Program('cli', [binary(), ...args, '--endpoint', n1!.url])
      return { code: await program.ended(), text: [...program.out, ...program.err].join('\n') }
    }
    expect((await cli('member', 'promote', 'n2')).code).toBe(0)
    const { text } = await cli('member', 'list')
    expect(text).toContain('catching_up')
    expect(text).toContain('waits: n2 is not connected')
    expect((await cli('member', 'withdraw', 'n2')).code).toBe(0)
    expect((await cli('member', 'list')).text).not.toContain('waits')
    expect(await cli('member', 'remove', 'n9')).toMatchObject({
      code: 1,
      text: expect.stringContaining('n9 is not a member'),
    })
    expect((await cli('member', 'promote', 'n2')).text).toContain('warning: 2 voters')
    expect((await n1!.put('/v1/config/k', 'x')).status).toBe(200)
    n2.start()
    await cluster.voters(['n1', 'n2'], n1!)
    expect((await n2.get('/v1/config/k')).text).toBe('x')
  }),
  TEST_MS,
)

test(
  'cluster: a change that would lose the quorum is refused, and done with force',
  withCluster({ size: 3 }, async (cluster) => {
    const leader = await cluster.leader()
    const [down, up] = cluster.others(leader)
    await down!.process.kill()
    await until('the dead one is missed', async () => {
      return (await cluster.members(leader))[down!.id]?.['reachable'] === false
    })
    // Of the leader and the dead one alone nobody could decide anything.
    const path = `/v1/cluster/members/${up!.id}`
    const refused = await leader.call('DELETE', path)
    expect([refused.status, refused.json['code']]).toEqual([409, 'conflict'])
    expect(refused.json['detail']).toContain('would lose its quorum')
    expect((await leader.put('/v1/config/k', 'still there')).status).toBe(201)

    // Whoever insists gets what he was told, until the dead one is back.
    const forced = await leader.call('DELETE', `${path}?force=true&timeout=2s`)
    expect([forced.status, forced.json['outcome']]).toEqual([504, 'unknown'])
    down!.start()
    await cluster.voters([leader.id, down!.id].sort(), leader)
    expect((await leader.put('/v1/config/k', 'again')).status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: a member that comes back at another address is found there',
  withCluster({ size: 3 }, async (cluster) => {
    // The one with the highest id dials nobody by itself.
    const moved = cluster.node(2)
    const [a, b] = cluster.nodes
    await moved.process.kill()
    const [port = 0] = await freePorts(1)
    const at = moved.args.indexOf('--listen')
    const args = moved.args.with(at + 1, `127.0.0.1:${port}`)
    moved.start(args.slice(0, args.indexOf('--cluster')))

    await until('the cluster knows the new address', async () => {
      const member = (await cluster.members(a!))['n3']
      return member?.['url'] === urlOf(port) && member['reachable'] === true
    })
    await a!.process.kill()
    expect((await b!.put('/v1/config/k?timeout=30s', 'with n3')).status).toBe(201)
  }),
  TEST_MS,
)

test(
  'cluster: leadership is handed to whom it is asked for',
  withCluster({ size: 3 }, async (cluster) => {
    const leader = await cluster.leader()
    const [to, other] = cluster.others(leader)
    const load = new Load('transfer', cluster.nodes, 3)
    await load.progress(5)
    const body = { to: to!.id }
    const answer = await other!.call('POST', '/v1/cluster/transfer', { body })
    expect([answer.status, answer.json]).toEqual([200, { leader: to!.id }])
    expect((await cluster.leader()).id).toBe(to!.id)
    const unknown = await other!.call('POST', '/v1/cluster/transfer', { body: { to: 'n9' } })
    expect([unknown.status, unknown.json['code']]).toEqual([409, 'conflict'])
    await load.progress(5)
    await load.stop()
    await load.verifyOn(cluster.nodes, 'lease')
  }),
  TEST_MS,
)
