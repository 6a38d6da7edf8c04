/** A cluster that does nothing, and one with thousands of requests that wait. */
import { performance } from 'node:perf_hooks'
import type { Cluster } from '../support/cluster.ts'
import { figure, type Figure, type Scenario } from './figure.ts'
import { idlePolls } from './idle-polls.ts'
import { busyShare, residentMiB, writtenBytes } from './process.ts'

const POLLS = 5_000

export const IDLE: Scenario = { run: idle }
export const POLLING: Scenario = { run: polls }

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
