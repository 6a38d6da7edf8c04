/** `/v1/cluster/members` and `/v1/cluster/transfer`: who belongs to the cluster, and who leads it. */
import { isObject } from '../../lib/objects.ts'
import { Hono } from 'hono'
import * as v from 'valibot'

import { json } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, failed, invalid } from '../error.ts'
import { pathName } from '../request/path.ts'
import type { Query } from '../request/query.ts'
import { timeoutMs } from '../read.ts'
import type { ClusterView, MembersAnswer, MembersRequest, MemberView } from '../registry.ts'
import { list, name, oneOf } from '../request/schema.ts'
import { bodyParser, without } from '../request/validate.ts'
import { refuseConditions, refuseFences, writeQuery } from '../write.ts'

const PATH = '/v1/cluster/members'

/** Far beyond what a quorum serves well; it bounds the list. */
const MEMBERS_MAX = 31
const URL_LENGTH_MAX = 1_024

/** Where a node is reached: `http` or `https`, a host and a port; without a path or a user. */
const nodeUrl = v.pipe(
  v.string('must be a string'),
  v.rawTransform(({ dataset, addIssue, NEVER }): string => {
    const text = dataset.value
    const url = text.length <= URL_LENGTH_MAX && URL.canParse(text) ? new URL(text) : null
    const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
    const isBare = url?.pathname === '/' && url.search === '' && url.hash === ''
    if (url !== null && isHttp && isBare && url.username === '') return url.origin
    addIssue({ message: 'must be a URL of a host and a port, such as http://10.0.0.4:7400' })
    return NEVER
  }),
)

const role = oneOf(['voter', 'learner', 'witness'])
/** As `GET /v1/cluster` shows it, a node that only dials has the url null. */
const member = { id: name, url: v.nullish(nodeUrl), role: v.optional(role) }
/** Of what `GET /v1/cluster` says, so that it can be edited and put back. */
const OF_MEMBER = [
  'leader',
  'reachable',
  'matchIndex',
  'lagEntries',
  'lastContactMs',
  'version',
  'clusterVersionMax',
] as const satisfies readonly (keyof MemberView)[]
const OF_CLUSTER = [
  'clusterId',
  'clusterVersion',
  'upgrade',
  'term',
  'leader',
  'revision',
  'degraded',
  'degradedDetail',
  'change',
  'deadMembers',
] as const satisfies readonly (keyof ClusterView)[]
const listedMember = v.pipe(
  v.custom<Record<string, unknown>>(isObject, 'must be an object'),
  v.transform((given) => without(given, OF_MEMBER)),
  v.strictObject(member),
)
const parseMember = bodyParser(member, { readOnly: OF_MEMBER })
const parseMembers = bodyParser(
  { members: list(listedMember, MEMBERS_MAX) },
  { readOnly: OF_CLUSTER },
)
const parseTransfer = bodyParser({ to: v.optional(name) })

type Wanted = v.InferOutput<v.StrictObjectSchema<typeof member, undefined>>

const wantedOf = ({ id, url, role }: Wanted) => ({ id, url: url ?? null, role: role ?? 'voter' })

export function memberRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .post(PATH, async (c) => {
      const query = queryOf(c)
      const wanted = wantedOf(parseMember(await readJson(c, edge)))
      return accepted(await change(c, edge, query, { type: 'add', ...wanted }))
    })
    .put(PATH, async (c) => {
      const query = queryOf(c)
      const { members } = parseMembers(await readJson(c, edge))
      const wanted = members.map(wantedOf)
      return accepted(await change(c, edge, query, { type: 'set', members: wanted }))
    })
    .delete(`${PATH}/:id`, async (c) => {
      const query = queryOf(c)
      const id = pathName(c, 3, 'id')
      return accepted(await change(c, edge, query, { type: 'remove', id }))
    })
    .post('/v1/cluster/transfer', async (c) => {
      const query = queryOf(c)
      const body = await readJson(c, edge)
      const { to = null } = body === undefined ? {} : parseTransfer(body)
      const { leader } = await change(c, edge, query, { type: 'transfer', to })
      return json({ leader })
    })
}

function queryOf(c: Call): Query {
  const query = writeQuery(c, ['force'])
  if (query.has('ns')) throw invalid('?ns', 'has no meaning for this call')
  refuseConditions(c)
  refuseFences(c)
  return query
}

async function change(
  c: Call,
  edge: Edge,
  query: Query,
  request: MembersRequest,
): Promise<Extract<MembersAnswer, { ok: true }>> {
  const force = query.flag('force') ?? false
  const options = { timeoutMs: timeoutMs(c, query, edge), force }
  const answer = await edge.registry.changeMembers(request, options)
  if ('failure' in answer) throw failed(answer)
  if (answer.ok) return answer
  if (answer.code === 'invalid_request') throw invalid('members', answer.detail)
  throw new ApiError(answer.code, answer.detail)
}

/** The rest happens by itself: `GET /v1/cluster` shows how far it is, and what it waits for. */
function accepted({ revision, warnings }: Extract<MembersAnswer, { ok: true }>): Response {
  return json({ revision, warnings }, 202)
}
