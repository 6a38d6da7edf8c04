import { performance } from 'node:perf_hooks'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { CONFIG_VERSIONS } from './config-versions.ts'
import { DISCOVER } from './discover.ts'
import { failover } from './failover.ts'
import { figure, type Figure, type Scenario } from './figure.ts'
import { idlePolls } from './idle-polls.ts'
import { busyShare, residentMiB, writtenBytes } from './process.ts'
import { REPLAY } from './replay.ts'
import { SNAPSHOT } from './snapshot.ts'
import { WATCH, WATCH_CATCH_UP } from './watch.ts'
import { wrk, type Script } from './wrk.ts'

const POLLS = 5_000
const PUT_ROW = 'durable config put'
const REGISTER_ROW = 'durable register'
const PUT: Script = {
  method: 'PUT',
  path: '/v1/config/bench/k%d',
  body: 'x'.repeat(200),
}
const REGISTER: Script = {
  method: 'PUT',
  path: '/v1/services/bench/instances/i%d',
  body: '{"address":"10.0.0.1","port":8080,"ttl":"60s"}',
}
const BEAT: Script = { ...REGISTER, method: 'POST', path: `${REGISTER.path}/heartbeat`, body: '' }
const READ: Script = { method: 'GET', path: PUT.path, body: '' }

/** By name, in the order in which they run; each has a fresh cluster. */
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map<string, Scenario>([
  ['idle', { run: idle }],
  ['put', { run: (cluster, seconds) => loaded(cluster, { what: PUT_ROW, seconds, script: PUT }) }],
  [
    'register',
    {
      run: (cluster, seconds) => loaded(cluster, { what: REGISTER_ROW, seconds, script: REGISTER }),
    },
  ],
  ['read', { run: reads }],
  ['config-versions', CONFIG_VERSIONS],
  ['heartbeat', { run: heartbeats }],
  ['polls', { run: polls }],
  ['watch', WATCH],
  ['watch-catchup', WATCH_CATCH_UP],
  ['failover', { run: failover }],
  ['replay', REPLAY],
  ['snapshot', SNAPSHOT],
  ['discover', DISCOVER],
])

async function idle(cluster: Cluster, seconds: number): Promise<Figure[]> {
  await Bun.sleep(3_000) // The log rounds itself off after a quiet second.
  const writtenBefore = cluster.nodes.map(writtenBytes)
  const leader = await cluster.leader()
  const busy = await busyShare(leader, seconds)
  const written = cluster.nodes.reduce(
    (sum, node, i) => sum + writtenBytes(node) - (writtenBefore[i] ?? 0),
    0,
  )
  return [
    figure('idle: largest node', Math.max(...cluster.nodes.map(residentMiB)), 'MiB RSS'),
    figure('idle: leader', busy, '% of a core'),
    figure('idle: written by all nodes', written, 'bytes'),
  ]
}

async function loaded(
  cluster: Cluster,
  { what, seconds, script }: { what: string; seconds: number; script: Script },
): Promise<Figure[]> {
  const leader = await cluster.leader()
  const figures: Figure[] = []
  for (const connections of [1, 64, 256]) {
    const result = await wrk(`${leader.url}`, { connections, seconds, script })
    if (result === null) return [{ what: `${what}: wrk is missing`, value: '-', unit: '' }]
    figures.push(
      figure(`${what}, ${connections} in flight`, result.rate, '/s'),
      figure(`${what}, ${connections} in flight, median`, result.medianMs, 'ms'),
    )
    if (result.failed > 0) figures.push(figure('not answered 2xx', result.failed, 'requests'))
  }
  return figures
}

async function reads(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  await fill(leader, PUT)
  return loaded(cluster, { what: 'lease read of a config key', seconds, script: READ })
}

async function heartbeats(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  await fill(leader, REGISTER)
  return loaded(cluster, { what: 'heartbeat', seconds, script: BEAT })
}

/** Every key that the script will name. */
async function fill(leader: ClusterNode, script: Script): Promise<void> {
  const made = await wrk(leader.url, { connections: 64, seconds: 2, script })
  if (made === null) return
  for (let i = 0; i < 1_000; i++) {
    await leader.put(script.path.replace('%d', String(i)), script.body)
  }
}

async function polls(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  await leader.put('/v1/config/bench/watched', 'x')
  const { json } = await leader.get('/v1/cluster')
  const since = Number(json['revision'])
  const path = `/v1/config/bench/watched?since=${since}&wait=120s`
  const alone = await busyShare(leader, seconds)
  const waiting = await idlePolls(leader.port, path, POLLS)
  try {
    await Bun.sleep(1_000)
    const busy = (await busyShare(leader, seconds)) - alone
    const woken = waiting.allAnswered()
    const changedMs = performance.now()
    await leader.put('/v1/config/bench/watched', 'y')
    await woken
    return [
      figure(`${POLLS} idle long polls: leader, beyond idle`, busy, '% of a core'),
      figure(`${POLLS} idle long polls: leader`, residentMiB(leader), 'MiB RSS'),
      figure(`${POLLS} long polls answered after one write`, performance.now() - changedMs, 'ms'),
    ]
  } finally {
    await waiting.close()
  }
}
