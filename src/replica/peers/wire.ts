/** Replies as this process passes them around ↔ responses as they travel. */
import { unreachable } from '../../lib/assert.ts'
import type { PeerResponse } from '../../mesh/peer.ts'
import {
  decodeCommand,
  decodeOutcome,
  encodeOutcome,
  InvalidCommand,
  UnknownCommand,
} from '../../state/mod.ts'
import type { Refusal } from '../../state/mod.ts'
import type { Reply } from '../desk.ts'
import {
  decodeMemberResult,
  encodeMemberResult,
  MemberCodecError,
} from '../members/member-codec.ts'

export function toResponse(reply: Reply): PeerResponse {
  if (reply.type === 'outcome') {
    return { type: 'outcome', outcome: encodeOutcome(reply.outcome) }
  }
  if (reply.type !== 'members_changed') return reply
  return { type: 'members_changed', result: encodeMemberResult(reply.result) }
}

export function fromResponse(response: PeerResponse): Reply {
  switch (response.type) {
    case 'outcome':
      return { type: 'outcome', outcome: decodeOutcome(response.outcome) }
    case 'members_changed':
      return readMemberResult(response.result)
    case 'refused':
    case 'beats':
    case 'read_at':
    case 'cluster_info':
    case 'report_noted':
    case 'state_offered':
    case 'edge_answer':
      return response
    default:
      return unreachable(response)
  }
}

function readMemberResult(bytes: Uint8Array): Reply {
  try {
    return { type: 'members_changed', result: decodeMemberResult(bytes) }
  } catch (error) {
    if (!(error instanceof MemberCodecError)) throw error
    return { type: 'refused', code: 'unknown' }
  }
}

/**
 * Why a command that a peer forwarded cannot be proposed, or null. What stands in the log must be
 * readable to every node, so nothing enters it unread.
 */
export function refuseForwarded(command: Uint8Array, revision: number): Refusal | null {
  try {
    decodeCommand(command)
    return null
  } catch (error) {
    if (!(error instanceof InvalidCommand || error instanceof UnknownCommand)) throw error
    return invalidCommand(error, revision)
  }
}

export function invalidCommand(error: Error, revision: number): Refusal {
  return { ok: false, revision, code: 'invalid_request', detail: error.message, path: '' }
}
