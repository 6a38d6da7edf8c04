/** `GET /v1/config-diff/{key}`: what changed between two versions, as a unified diff. */
import { Hono } from 'hono'

import { utf8Text } from '../lib/bytes.ts'
import type { StateReader } from '../state/reader.ts'
import type { ConfigVersionValue } from '../state/rows.ts'
import { plainText } from './answer.ts'
import { runJob } from './checked-write.ts'
import { lackOf, VERSION_BOUNDS } from './config-history.ts'
import type { Call, Edge, Env } from './edge.ts'
import { ApiError } from './error.ts'
import { namespaceOf } from './namespace.ts'
import { pathKey } from './path.ts'
import { Query } from './query.ts'
import { read, READ } from './read.ts'

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
  const { from, to } = await read(c, edge, query, (state) => sides(state, { ns, key, ...asked }))
  return plainText(await diffOf(edge, from, to))
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

function sides(
  state: StateReader,
  { ns, key, from, to }: Asked,
): { readonly from: Side; readonly to: Side } {
  const newest = state.configNewestVersion(ns, key)
  const last = to ?? newest
  const first = from ?? last - 1
  const find = (version: number): ConfigVersionValue => {
    const found = state.configVersion(ns, key, version)
    if (found === null) throw new ApiError('not_found', lackOf(key, version, newest))
    return found
  }
  const side = (version: number): Side => ({
    name: `${key}@${version}`,
    // Before the first version there was nothing.
    value: version === 0 && newest > 0 ? new Uint8Array() : find(version).value,
  })
  return { from: side(first), to: side(last) }
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
