/** Schemas and values that were made to take long: the node that checks them goes on with all else. */
import { expect, test } from 'bun:test'
import { type ClusterNode, TEST_MS, withCluster } from '../support/cluster.ts'

/** Comparing each with each takes minutes. */
const HOSTILE_VALUE = JSON.stringify(
  Array.from({ length: 20_000 }, (_, i) => ({ a: [i, i + 1], b: { c: i } })),
)
const UNIQUE = { type: 'array', uniqueItems: true }
/** Exponential for an engine that backtracks. */
const BACKTRACKING = { type: 'string', pattern: '^(a|a)*(a|a)*(a|a)*$' }

async function register(node: ClusterNode): Promise<void> {
  const body = { address: '10.0.0.5', ttl: '30s' }
  const { status } = await node.put('/v1/services/web/instances/i1', body)
  expect(status).toBe(201)
}

/** Writes and beats until `isOver`; answers how many of each were answered by then. */
async function meanwhile(node: ClusterNode, isOver: () => boolean): Promise<number> {
  let rounds = 0
  while (!isOver()) {
    await node.set(`calm/${rounds % 5}`, `${rounds}`)
    const beat = await node.call('POST', '/v1/services/web/instances/i1/heartbeat')
    expect(beat.status).toBe(200)
    rounds += 1
  }
  return rounds
}

test(
  'cluster: schemas: a hostile value or pattern is refused, and holds up neither writes nor beats',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await register(node)
    for (const [prefix, schema] of [
      ['unique/', UNIQUE],
      ['pattern/', BACKTRACKING],
    ] as const) {
      const put = await node.put(`/v1/config-schemas/${prefix}`, schema)
      expect(put.status).toBe(201)
    }

    let isOver = false
    const hostile = node
      .put('/v1/config/unique/x.json', HOSTILE_VALUE, { timeoutMs: 60_000 })
      .finally(() => (isOver = true))
    const rounds = await meanwhile(node, () => isOver)
    const slow = await hostile

    expect(slow).toMatchObject({ status: 422, json: { code: 'schema_violation' } })
    expect(slow.json['outcome']).toBe('not_applied')
    expect(rounds).toBeGreaterThan(2) // A loop that stood still would have answered one at most.

    const matched = await node.put('/v1/config/pattern/x.json', JSON.stringify('a'.repeat(5_000)))
    const unmatched = `${'a'.repeat(5_000)}!`
    const refused = await node.put('/v1/config/pattern/x.json', JSON.stringify(unmatched))
    expect(matched.status).toBe(201)
    expect(refused).toMatchObject({ status: 422, json: { code: 'schema_violation' } })
  }),
  TEST_MS,
)
