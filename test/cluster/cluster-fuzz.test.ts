/**
 * Random requests, byte for byte, to a cluster of the compiled executable: whatever is sent, an
 * answer comes, it is none of ours to be ashamed of, and all nodes hold the same afterwards.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { asyncProperty, assert, constantFrom, tuple } from 'fast-check'
import { loadSql } from '../../src/runtime/mod.ts'
import { examineState } from '../../src/state/mod.ts'
import { apiNoise, goodKey, noisyPath, rawNoise, spelled } from '../support/api-noise.ts'
import { startCluster, TEST_MS, type Cluster } from '../support/cluster.ts'
import { exchange, rawRequest, type RawAnswer } from '../support/raw-http.ts'

/** In a healthy cluster: a leadership that random requests moved may leave a write undecided. */
const SERVER_ERRORS = new Set([503, 504])
const PLACES = constantFrom(0, 1, 2)

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({})
}, TEST_MS)

afterAll(async () => {
  await cluster.stop()
})

/** Every failure of ours says what it is, and whether anything was applied. */
function judge({ status, headers, body }: RawAnswer): void {
  expect(status).toBeGreaterThanOrEqual(200)
  if (status >= 500) expect(SERVER_ERRORS).toContain(status)
  if (headers.get('content-type') !== 'application/problem+json' || body === '') return
  const { code, outcome, detail } = JSON.parse(body) as Record<string, unknown>
  expect(code).toMatch(/^[a-z_]+$/)
  expect(outcome).toBe(status === 504 ? 'unknown' : 'not_applied')
  expect(detail).toBeString()
}

test(
  'cluster: fuzz: what a key is does not depend on how it was encoded in the URL',
  async () => {
    const case_ = goodKey.chain((key) =>
      tuple(constantFrom(key), spelled(key), spelled(key), PLACES, PLACES),
    )
    await assert(
      asyncProperty(case_, async ([key, written, read, to, from]) => {
        const body = new TextEncoder().encode(`${key} as ${written}`)
        const target = `/v1/config/${written}`
        const put = await rawRequest(cluster.node(to).port, { method: 'PUT', target, body })
        const revision = put.headers.get('rollcall-revision')
        const got = await rawRequest(cluster.node(from).port, {
          method: 'GET',
          target: `/v1/config/${read}?min-revision=${revision}`,
        })

        expect([200, 201]).toContain(put.status)
        expect(JSON.parse(put.body)).toMatchObject({ key })
        expect([got.status, got.body]).toEqual([200, `${key} as ${written}`])
      }),
      { numRuns: 300 },
    )
  },
  TEST_MS,
)

/** The path as URL parsers normalise it, the server's too: a bare backslash is a slash to them. */
function decodedOnce(target: string): string {
  const [path = ''] = target.split(/[?#]/)
  return decodeURIComponent(new URL(`http://localhost${path}`).pathname)
}

test(
  'cluster: fuzz: keys in any spelling are one key or none',
  async () => {
    await assert(
      asyncProperty(noisyPath, PLACES, async (path, place) => {
        const { port } = cluster.node(place)
        const target = `/v1/config/fuzz/${path}`
        const body = new TextEncoder().encode(path)
        const put = await rawRequest(port, { method: 'PUT', target, body })
        judge(put)
        if (put.status !== 200 && put.status !== 201) return
        const { key } = JSON.parse(put.body) as { readonly key: string }
        const got = await rawRequest(port, {
          method: 'GET',
          target: `/v1/config/${encodeURIComponent(key)}`,
        })

        expect(key).toBe(decodedOnce(target).slice('/v1/config/'.length))
        expect(key).toMatch(/^[A-Za-z0-9._:@~+-]+(\/[A-Za-z0-9._:@~+-]+)*$/)
        expect(key.split('/').some((segment) => /^\.{1,2}$/.test(segment))).toBe(false)
        expect([got.status, got.body]).toEqual([200, path])
      }),
      { numRuns: 700 },
    )
  },
  TEST_MS,
)

test(
  'cluster: fuzz: no body, parameter or header of a write makes a node fail',
  async () => {
    const seen = new Set<number>()
    await assert(
      asyncProperty(await apiNoise(), PLACES, async (request, place) => {
        const answer = await rawRequest(cluster.node(place).port, request)
        judge(answer)
        seen.add(answer.status)
      }),
      { numRuns: 3_000 },
    )
    // It is no noise that all bounces off the same wall.
    expect([...seen]).toEqual(expect.arrayContaining([200, 201, 204, 400, 404]))
  },
  TEST_MS,
)

test(
  'cluster: fuzz: bytes that are no request at all harm nobody',
  async () => {
    await assert(
      asyncProperty(rawNoise, PLACES, async (bytes, place) => {
        const { port } = cluster.node(place)
        // The end of what it sends: else a server would rightly wait for more.
        const goodbye = Buffer.from(
          '\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        )
        const said = await exchange(port, Buffer.concat([bytes, goodbye]))
        expect(said.toString('latin1')).not.toMatch(/^HTTP\/1\.1 5(?!05)/m)
      }),
      { numRuns: 300 },
    )
  },
  TEST_MS,
)

test(
  'cluster: fuzz: afterwards all nodes live, are trusted, and hold the same to the last row',
  async () => {
    for (const { process, id } of cluster.nodes) expect([id, process.isRunning]).toEqual([id, true])
    await cluster.ready()
    await cluster.recovered()
    for (const node of cluster.nodes) expect(await node.status()).not.toHaveProperty('fenced')

    const errors = cluster.nodes.flatMap(({ process }) => process.saying('"level":"error"'))
    await Promise.all(cluster.nodes.map((node) => node.stop()))
    const sql = await loadSql(null)
    const hashes = cluster.nodes.map((node) => {
      const db = sql.openReadOnly(node.database)
      try {
        expect(examineState(db)).toBeNull()
        return db.prepare('SELECT hash_a, hash_b FROM applied').get()
      } finally {
        db.close()
      }
    })

    expect(errors).toEqual([])
    expect(hashes[1]).toEqual(hashes[0] ?? null)
    expect(hashes[2]).toEqual(hashes[0] ?? null)
  },
  TEST_MS,
)
