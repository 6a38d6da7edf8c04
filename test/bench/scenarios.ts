import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { idlePolls } from './idle-polls.ts'
import { wrk, type Script } from './wrk.ts'

export interface Figure {
  readonly what: string
  readonly value: string
  readonly unit: string
}

type Scenario = (cluster: Cluster, seconds: number) => Promise<Figure[]>

const POLLS = 5_000
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
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map([
  ['idle', idle],
  [
    'put',
    (cluster, seconds) => loaded(cluster, { what: 'durable config put', seconds, script: PUT }),
  ],
  [
    'register',
    (cluster, seconds) => loaded(cluster, { what: 'durable register', seconds, script: REGISTER }),
  ],
  ['read', reads],
  ['heartbeat', heartbeats],
  ['polls', polls],
  ['failover', failover],
])

function figure(what: string, value: number, unit: string): Figure {
  return { what, value: value.toLocaleString('en-US', { maximumFractionDigits: 1 }), unit }
}

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

/** kill -9 of the leader: how long until a write through another node succeeds. */
async function failover(cluster: Cluster): Promise<Figure[]> {
  const tookMs: number[] = []
  for (let i = 0; i < 5; i++) {
    const leader = await cluster.leader()
    const other = cluster.others(leader)[0] as ClusterNode
    const killedMs = performance.now()
    await leader.process.kill()
    for (let status = 0; status !== 200 && status !== 201;) {
      const answer = await other.put('/v1/config/bench/failover', `${i}`).catch(() => null)
      status = answer?.status ?? 0
    }
    tookMs.push(performance.now() - killedMs)
    leader.start()
    await leader.ready()
    await cluster.settled()
  }
  tookMs.sort((a, b) => a - b)
  return [
    figure('kill -9 of the leader to the next write, median of 5', tookMs[2] ?? 0, 'ms'),
    figure('kill -9 of the leader to the next write, worst of 5', tookMs[4] ?? 0, 'ms'),
  ]
}

function residentMiB(node: ClusterNode): number {
  const status = readFileSync(`/proc/${node.process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024
}

function writtenBytes(node: ClusterNode): number {
  const io = readFileSync(`/proc/${node.process.pid}/io`, 'utf8')
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1])
}

/** Percent of a core that a node took in so many seconds. */
async function busyShare(node: ClusterNode, seconds: number): Promise<number> {
  const before = cpuMs(node)
  await Bun.sleep(seconds * 1_000)
  return ((cpuMs(node) - before) / seconds / 1_000) * 100
}

/** User and system time so far; the kernel counts in hundredths of a second. */
function cpuMs(node: ClusterNode): number {
  const stat = readFileSync(`/proc/${node.process.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
