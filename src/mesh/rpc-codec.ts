/** Requests and responses between replicas as positional lists, and back. */
import type { Keep } from './codec.ts'
import { CodecError, Fields } from './fields.ts'
import type { Beat, BeatResult, JoinRole, PeerRequest, PeerResponse } from './peer.ts'

type Mode = 'lease' | 'linearizable'
type RefusalCode = Extract<PeerResponse, { readonly type: 'refused' }>['code']

/** The position is the number on the wire: never reorder, add at the end. */
const REQUESTS: readonly PeerRequest['type'][] = [
  'propose',
  'heartbeats',
  'read_index',
  'cluster_info',
  'change_members',
  'join',
  'report_state',
  'want_state',
  'ask_edge',
]
const RESPONSES: readonly PeerResponse['type'][] = [
  'outcome',
  'beats',
  'read_at',
  'cluster_info',
  'refused',
  'members_changed',
  'report_noted',
  'state_offered',
  'edge_answer',
]
const ROLES: readonly (JoinRole | null)[] = ['voter', 'learner', null]
const MODES: readonly Mode[] = ['lease', 'linearizable']
const REFUSALS: readonly RefusalCode[] = ['not_leader', 'too_many_requests', 'unknown']

/** A lease is named by a service and an instance; far more than any name that is allowed. */
const LEASE_LENGTH_MAX = 4_096

export function encodeRequest(request: PeerRequest): readonly unknown[] {
  const kind = REQUESTS.indexOf(request.type)
  switch (request.type) {
    case 'propose':
      return [kind, request.command]
    case 'heartbeats':
      return [kind, ...request.beats.map((beat) => beat.lease)]
    case 'read_index':
      return [kind, MODES.indexOf(request.mode)]
    case 'cluster_info':
      return [kind]
    case 'change_members':
      return [kind, request.change]
    case 'join':
      return [kind, ROLES.indexOf(request.role)]
    case 'report_state':
      return [kind, request.index, request.hash, request.schema]
    case 'want_state':
      return [kind, request.after]
    case 'ask_edge':
      return [kind, request.question]
  }
}

export function decodeRequest(value: unknown, keep: Keep): PeerRequest {
  const fields = new Fields(value)
  const request = readRequest(oneOf(REQUESTS, fields.int()), fields, keep)
  fields.end()
  return request
}

function readRequest(type: PeerRequest['type'], fields: Fields, keep: Keep): PeerRequest {
  switch (type) {
    case 'propose':
      return { type, command: keep(fields.bytes()) }
    case 'heartbeats': {
      const beats: Beat[] = []
      while (fields.left > 0) beats.push({ lease: fields.text(LEASE_LENGTH_MAX) })
      return { type, beats }
    }
    case 'read_index':
      return { type, mode: oneOf(MODES, fields.int()) }
    case 'cluster_info':
      return { type }
    case 'change_members':
      return { type, change: keep(fields.bytes()) }
    case 'join':
      return { type, role: oneOf(ROLES, fields.int()) }
    case 'report_state':
      return { type, index: fields.int(), hash: fields.text(16), schema: fields.int() }
    case 'want_state':
      return { type, after: fields.int() }
    case 'ask_edge':
      return { type, question: keep(fields.bytes()) }
  }
}

export function encodeResponse(response: PeerResponse): readonly unknown[] {
  const kind = RESPONSES.indexOf(response.type)
  switch (response.type) {
    case 'outcome':
      return [kind, response.outcome]
    case 'beats':
      return [kind, ...response.results.flatMap(layOutBeat)]
    case 'read_at':
      return [kind, response.index, MODES.indexOf(response.mode)]
    case 'cluster_info':
      return [kind, response.info]
    case 'refused':
      return [kind, REFUSALS.indexOf(response.code)]
    case 'members_changed':
      return [kind, response.result]
    case 'report_noted':
      return [kind]
    case 'state_offered': {
      const { from, snapshot, membershipIndex, membership } = response
      return [kind, from, snapshot.index, snapshot.term, membershipIndex, membership]
    }
    case 'edge_answer':
      return [kind, response.answer]
  }
}

/** Two numbers a beat; a zero TTL stands for null. What remains is rounded down, never up. */
function layOutBeat(result: BeatResult): readonly number[] {
  if (result === null) return [0, 0]
  return [Math.floor(result.ttlMs), Math.max(0, Math.floor(result.expiresInMs))]
}

export function decodeResponse(value: unknown, keep: Keep): PeerResponse {
  const fields = new Fields(value)
  const response = readResponse(oneOf(RESPONSES, fields.int()), fields, keep)
  fields.end()
  return response
}

function readResponse(type: PeerResponse['type'], fields: Fields, keep: Keep): PeerResponse {
  switch (type) {
    case 'outcome':
      return { type, outcome: keep(fields.bytes()) }
    case 'beats': {
      const results: BeatResult[] = []
      while (fields.left > 0) {
        const [ttlMs, expiresInMs] = [fields.int(), fields.int()]
        results.push(ttlMs === 0 ? null : { ttlMs, expiresInMs })
      }
      return { type, results }
    }
    case 'read_at':
      return { type, index: fields.int(), mode: oneOf(MODES, fields.int()) }
    case 'cluster_info':
      return { type, info: keep(fields.bytes()) }
    case 'refused':
      return { type, code: oneOf(REFUSALS, fields.int()) }
    case 'members_changed':
      return { type, result: keep(fields.bytes()) }
    case 'report_noted':
      return { type }
    case 'state_offered':
      return {
        type,
        from: fields.text(128),
        snapshot: { index: fields.int(), term: fields.int() },
        membershipIndex: fields.int(),
        membership: keep(fields.bytes()),
      }
    case 'edge_answer':
      return { type, answer: keep(fields.bytes()) }
  }
}

function oneOf<T>(known: readonly T[], at: number): T {
  if (at >= known.length) throw new CodecError(`an unknown kind ${at}`)
  return known[at] as T
}
