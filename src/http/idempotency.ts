/**
 * `Idempotency-Key`: a write that may be repeated, through any node, and is applied once (API.md
 * "retries"). The key travels with the command and is judged at apply (`state/keyed.ts`).
 */
import { assert } from '../lib/assert.ts'
import type { Later } from '../lib/later.ts'
import { encode } from '../lib/msgpack.ts'
import { nameProblem } from '../lib/names.ts'
import type { Command } from '../state/command.ts'
import { AUTHOR } from './request/author.ts'
import { readBytes } from './request/body.ts'
import type { Asked, Edge } from './edge.ts'
import { invalid } from './error.ts'
import { namespaceOf } from './request/namespace.ts'
import type { Query } from './request/query.ts'

const HEADER = 'Idempotency-Key'

/** Headers that say what is to be written, beside the namespace. */
const MEANT = ['If-Match', 'If-None-Match', 'Content-Type', 'Rollcall-Lock', 'Rollcall-Stage-Rule']
/** How long the caller waits, and the namespace, which a header may name as well. */
const NOT_MEANT = ['timeout', 'ns']

/** Null where there is none. Quoted or not: as a structured field (RFC 9651) it is quoted. */
export function idempotencyKey(c: Asked): string | null {
  const header = c.req.header(HEADER)
  if (header === undefined) return null
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header
  const problem = nameProblem(key)
  if (problem !== null) throw invalid(HEADER, problem)
  return key
}

/** The command under the key of its request, where it has one. */
export function keyed(c: Asked, edge: Edge, query: Query, command: Command): Later<Command> {
  const key = idempotencyKey(c)
  if (key === null) return command
  return hashOf(c, edge, query).then((requestHash) => {
    return { type: 'keyed', caller: callerOf(c), key, requestHash, command }
  })
}

/** Whose keys they are: callers have no identity yet, so all have theirs in common. */
function callerOf(_c: Asked): string {
  return ''
}

/**
 * Of what the caller asked for, not of the command that came of it: the ids that an edge draws, and
 * what it looked up on the way, differ from one try to the next. The path is taken decoded, since
 * `%2F` and `/` are the same in a key.
 */
async function hashOf(c: Asked, edge: Edge, query: Query): Promise<Uint8Array> {
  const body = c.get('body') ?? null
  assert(body !== null || !c.req.raw.bodyUsed, 'a body is read by `readBytes`, which remembers it')
  const author = c.req.header(AUTHOR)
  const request = encode([
    c.req.method,
    decodeURIComponent(c.req.path), // Whatever does not decode was refused as a name.
    namespaceOf(c, query),
    query.sorted(NOT_MEANT),
    MEANT.map((name) => c.req.header(name) ?? null),
    body ?? (await readBytes(c, edge)), // Of a call that needs none.
    // Only where it is given: nodes from before it make the same hash of all other requests.
    ...(author === undefined ? [] : [author]),
  ])
  return new Uint8Array(await crypto.subtle.digest('SHA-256', request as Uint8Array<ArrayBuffer>))
}
