/** Fills a cluster of ours through its API, as fast as that goes. */
import type { ClusterNode, Json } from '../support/cluster.ts'

/** Operations of one transaction: the limit of the API. */
const OPS_MAX = 128
/** Transactions on their way at once. */
const IN_FLIGHT = 16

export const VALUE = 'x'.repeat(200)

/** So many keys `bench/k<number>`, each written once more. */
export function fillKeys(leader: ClusterNode, range: Range): Promise<void> {
  return fill(leader, range, (i) => ({ op: 'config.put', key: `bench/k${i}`, value: VALUE }))
}

export interface Range {
  /** The first number: 0 where it is not said. */
  readonly from?: number
  /** The one after the last. */
  readonly to: number
}

export interface InstanceRange extends Range {
  readonly ttl: string
  /** What the names of their services begin with, and how many are in each. */
  readonly service: string
  readonly perService: number
  /** How many tags there are; each instance has one of them. */
  readonly tags?: number
}

/** Registers the instances `i<number>`: the first `perService` in the first service, and so on. */
export function fillInstances(leader: ClusterNode, given: InstanceRange): Promise<void> {
  const { ttl, tags = 1 } = given
  return fill(leader, given, (i) => {
    const service = serviceOf(given.service, Math.floor(i / given.perService))
    const place = { address: '10.0.0.1', port: 8_080, tags: [`t${i % tags}`] }
    return { op: 'instance.put', service, id: `i${i}`, ...place, ttl }
  })
}

export function serviceOf(prefix: string, place: number): string {
  return `${prefix}-${place}`
}

async function fill(leader: ClusterNode, range: Range, op: (i: number) => Json): Promise<void> {
  let next = range.from ?? 0
  const work = async (): Promise<void> => {
    while (next < range.to) {
      const from = next
      next = Math.min(range.to, from + OPS_MAX)
      const then = Array.from({ length: next - from }, (_, i) => op(from + i))
      const { status, text } = await leader.call('POST', '/v1/txn', { body: { then } })
      if (status !== 200) throw new Error(`a transaction was answered ${status}: ${text}`)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, work))
}

/** The newest index that the leader has applied: it grows by one with every write. */
export async function appliedIndex(leader: ClusterNode): Promise<number> {
  return Number((await leader.status())['appliedIndex'])
}
