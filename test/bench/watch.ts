/** Watches: how soon many readers are told, what they cost, and how fast one catches up. */
import { connect } from 'node:net'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { figure, percentile, type Figure, type Scenario } from './figure.ts'
import { busyShare, residentMiB } from './process.ts'
import { withReaders } from './readers.ts'
import { wrk } from './wrk.ts'

const TOPIC = 'bench/watch'
const VALUE = 'x'.repeat(200)
const ROUNDS = 20
const BACK = 100_000

export const WATCH: Scenario = { cluster: { size: 3 }, run: watch }
export const WATCH_CATCH_UP: Scenario = { cluster: { size: 3 }, run: catchUp }

async function watch(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  return [
    ...(await told(leader)),
    ...(await steady(leader, seconds, { readers: 10_000, topics: 1_000, perSecond: 1_000 })),
    ...(await steady(leader, seconds, { readers: 10_000, topics: 1, perSecond: 10 })),
  ]
}

/** From the answer to the writer until the last of a thousand readers has been told. */
async function told(leader: ClusterNode): Promise<Figure[]> {
  const count = 1_000
  return withReaders(leader, { count, topics: 1 }, async (readers) => {
    const lags: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      await leader.set(`${TOPIC}/0`, VALUE)
      const answeredMs = performance.timeOrigin + performance.now()
      await until('all were told', () => readers.events >= round * count)
      lags.push(Math.max(0, readers.atMs - answeredMs))
      await Bun.sleep(50)
    }
    const what = '1,000 watchers, one change: all told after its answer'
    return [figure(what, percentile(lags, 50), 'ms (median)')]
  })
}

interface Steady {
  readonly readers: number
  readonly topics: number
  readonly perSecond: number
}

/** At a steady rate of changes: what is lost, and what it costs. */
async function steady(leader: ClusterNode, seconds: number, load: Steady): Promise<Figure[]> {
  const { topics, perSecond } = load
  const what = `${load.readers} watchers, ${topics} ${topics === 1 ? 'topic' : 'topics'}, ${perSecond} changes/s`
  return withReaders(leader, { count: load.readers, topics }, async (readers) => {
    const busy = busyShare(leader, seconds)
    const { changes, largestMiB } = await change(leader, seconds, load)
    const due = (changes * load.readers) / topics
    await until(`all ${due} events were told`, () => readers.events >= due).catch(() => {})
    return [
      figure(`${what}: events lost`, due - readers.events, `of ${due}`),
      figure(`${what}: leader`, largestMiB, 'MiB RSS'),
      figure(`${what}: leader`, await busy, '% of a core'),
    ]
  })
}

async function change(
  leader: ClusterNode,
  seconds: number,
  { topics, perSecond }: Steady,
): Promise<{ changes: number; largestMiB: number }> {
  const everyMs = Math.max(10, 1_000 / perSecond)
  const atOnce = Math.round((perSecond * everyMs) / 1_000)
  const writes: Promise<void>[] = []
  let largestMiB = 0
  const beganMs = performance.now()
  for (let i = 0; performance.now() - beganMs < seconds * 1_000;) {
    for (let n = 0; n < atOnce; n++) writes.push(leader.set(`${TOPIC}/${i++ % topics}`, VALUE))
    await Bun.sleep(beganMs + (i / perSecond) * 1_000 - performance.now())
    if (i % perSecond < atOnce) largestMiB = Math.max(largestMiB, residentMiB(leader))
  }
  await Promise.all(writes)
  return { changes: writes.length, largestMiB: Math.max(largestMiB, residentMiB(leader)) }
}

/** One reader that comes back a hundred thousand events late. */
async function catchUp(cluster: Cluster): Promise<Figure[]> {
  const leader = await cluster.leader()
  const script = { method: 'PUT', path: '/v1/config/bench/k%d', body: VALUE }
  const revision = async (): Promise<number> => Number((await leader.status())['appliedIndex'])
  while ((await revision()) < BACK + 1_000) {
    const made = await wrk(leader.url, { connections: 64, seconds: 2, script })
    if (made === null) return [{ what: 'watch-catchup: wrk is missing', value: '-', unit: '' }]
  }
  const since = (await revision()) - BACK
  const rates: number[] = []
  for (let round = 0; round < 3; round++) rates.push(BACK / (await readBack(leader, since)))
  const rate = percentile(rates, 50)
  return [figure(`a watch resumed ${BACK} events back catches up`, rate * 1_000, 'events/s')]
}

/** Milliseconds until it is up to date. */
function readBack({ port }: ClusterNode, since: number): Promise<number> {
  const beganMs = performance.now()
  return new Promise((resolve, reject) => {
    const path = `/v1/watch?topic=config/*&since=${since}`
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    })
    let tail = ''
    socket.on('data', (data: Buffer) => {
      tail = (tail + data.subarray(-256).toString('latin1')).slice(-256)
      if (!tail.includes('event: sync')) return
      socket.destroy()
      resolve(performance.now() - beganMs)
    })
    socket.on('error', reject)
  })
}
