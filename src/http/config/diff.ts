/** `GET /v1/config-diff/{key}`: what changed between two versions, as a unified diff. */
import { Hono } from 'hono'

import { present } from '../../lib/assert.ts'
import { EMPTY_BYTES, utf8Text } from '../../lib/bytes.ts'
import type { StateReader } from '../../state/reader.ts'
import { plainText } from '../answer.ts'
import { runJob } from './checked-write.ts'
import { lackOf, VERSION_BOUNDS } from './history.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError } from '../error.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathKey } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { read, READ } from '../read.ts'

const BASE = '/v1/config-diff/'

export function configDiffRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get(`${BASE}:key{.+}`, (c) => getDiff(c, edge))
}

/** Without `to` the newest is meant, without `from` the one before `to`. */
async function getDiff(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...READ, 'from', 'to'])
  const ns = namespaceOf(c, query)
  const key = pathKey(c, BASE)
  const asked = {
    from: query.integer('from', VERSION_BOUNDS),
    to: query.integer('to', VERSION_BOUNDS),
  }
  const found = await read(c, edge, query, (state) => sides(state, { ns, key, ...asked }))
  const { from, to, newest } = found
  for (const side of [from, to]) {
    if (side.value === null) throw new ApiError('not_found', lackOf(key, side.version, newest))
  }
  return plainText(await diffOf(edge, named(key, from), named(key, to)))
}

function named(key: string, { version, value }: Found): Side {
  return { name: `${key}@${version}`, value: present(value, 'what is missing was answered') }
}

export interface Side {
  readonly name: string
  readonly value: Uint8Array
}

interface Asked {
  readonly ns: string
  readonly key: string
  readonly from: number | null
  readonly to: number | null
}

interface Found {
  readonly version: number
  /** Null: there is no such version, or it is no longer kept. */
  readonly value: Uint8Array | null
}

/** Asked within the replica: nothing is thrown here. */
function sides(
  state: StateReader,
  { ns, key, from, to }: Asked,
): { readonly from: Found; readonly to: Found; readonly newest: number } {
  const newest = state.configNewestVersion(ns, key)
  const last = to ?? newest
  const first = from ?? last - 1
  const find = (version: number): Found => {
    // Before the first version there was nothing.
    const isBefore = version === 0 && newest > 0
    const value = isBefore ? EMPTY_BYTES : (state.configVersion(ns, key, version)?.value ?? null)
    return { version, value }
  }
  return { from: find(first), to: find(last), newest }
}

/** A unified diff; one sentence where a side is not text. */
export async function diffOf(edge: Edge, from: Side, to: Side): Promise<string> {
  const [old, next] = [utf8Text(from.value), utf8Text(to.value)]
  if (old === null || next === null) return `Binary values ${from.name} and ${to.name} differ\n`
  const job = {
    type: 'diff',
    from: { name: from.name, text: old },
    to: { name: to.name, text: next },
  } as const
  const verdict = await runJob(edge, job)
  if (verdict.type === 'diff') return verdict.text
  throw new ApiError('too_many_requests', 'the two versions could not be compared in time')
}
