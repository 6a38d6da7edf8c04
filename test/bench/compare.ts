/**
 * Ours and etcd's cluster in turn, round after round, never both at once. Each round begins with
 * the other one, so that a machine that slows down or speeds up does so for both.
 */
import type { Cluster } from '../support/cluster.ts'
import { withOurs } from './clusters.ts'
import { withEtcd, type EtcdCluster } from './etcd.ts'
import { warm, type Loader, type Measured, type Row } from './load.ts'
import { measure } from './measure.ts'
import type { Server } from './process.ts'

export type BenchRow = Row<Cluster, EtcdCluster>

/** What the rounds of one row showed; of etcd nothing, where it has nothing of the kind. */
export interface Compared {
  readonly row: BenchRow
  readonly ours: readonly Measured[]
  readonly etcd: readonly Measured[]
  /** How the requests were kept in flight. */
  readonly how: readonly string[]
}

export interface Rounds {
  readonly rounds: number
  readonly seconds: number
  /** False where etcd, or what loads it, is missing. */
  readonly etcd: boolean
  /** Told of each load as it ends. */
  readonly progress: (text: string) => void
}

interface Run<C> {
  readonly cluster: C
  readonly given: Rounds
}

type Found = Map<BenchRow, { ours: Measured[]; etcd: Measured[]; how: Set<string> }>

export async function compare(rows: readonly BenchRow[], given: Rounds): Promise<Compared[]> {
  const found: Found = new Map(
    fullestFirst(rows).map((row) => [row, { ours: [], etcd: [], how: new Set<string>() }]),
  )
  const ours = () => withOurs({}, (cluster) => runOurs(found, { cluster, given }))
  const etcd = () => withEtcd((cluster) => runEtcd(found, { cluster, given }))
  const hasPeer = given.etcd && rows.some((row) => row.etcd !== null)
  const sides = hasPeer ? [ours, etcd] : [ours]
  for (let round = 0; round < given.rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) await side()
  }
  return rows.flatMap((row) => {
    const of = found.get(row)
    return of === undefined ? [] : [{ row, ...of, how: [...of.how] }]
  })
}

/** A server that has just started is warm soonest where there is most to do. */
function fullestFirst(rows: readonly BenchRow[]): BenchRow[] {
  return rows.toSorted((a, b) => b.inFlight - a.inFlight)
}

async function runOurs(found: Found, { cluster, given }: Run<Cluster>): Promise<void> {
  let isFirst = true
  for (const [row, { ours, how }] of found) {
    const loader = await row.ours(cluster)
    const about = { servers: cluster.nodes, given, isFirst, what: `ours: ${row.what}` }
    ours.push(await load(loader, about))
    how.add(loader.how())
    isFirst = false
  }
}

async function runEtcd(found: Found, { cluster, given }: Run<EtcdCluster>): Promise<void> {
  let isFirst = true
  for (const [row, { etcd, how }] of found) {
    if (row.etcd === null) continue
    const loader = await row.etcd(cluster)
    const about = { servers: cluster.nodes, given, isFirst, what: `etcd: ${row.against}` }
    etcd.push(await load(loader, about))
    how.add(loader.how())
    isFirst = false
  }
}

interface About {
  readonly servers: readonly Server[]
  readonly given: Rounds
  /** Nothing was asked of them yet. */
  readonly isFirst: boolean
  readonly what: string
}

async function load(loader: Loader, { servers, given, isFirst, what }: About): Promise<Measured> {
  await (isFirst ? warm(loader) : loader.warmUp())
  const measured = await measure(servers, { loader, seconds: given.seconds })
  const rate = Math.round(measured.count / measured.seconds).toLocaleString('en-US')
  const tried = loader.tried === undefined ? '' : `; tried: ${loader.tried()}`
  given.progress(`${what}: ${rate} requests/s (${loader.how()}${tried})`)
  return measured
}
