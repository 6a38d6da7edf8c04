/** Replies as this process passes them around ↔ responses as they travel. */
import { unreachable } from '../lib/assert.ts'
import type { PeerResponse } from '../mesh/peer.ts'
import { decodeOutcome, encodeOutcome } from '../state/mod.ts'
import type { Reply } from './desk.ts'

export function toResponse(reply: Reply): PeerResponse {
  if (reply.type !== 'outcome') return reply
  return { type: 'outcome', outcome: encodeOutcome(reply.outcome) }
}

export function fromResponse(response: PeerResponse): Reply {
  switch (response.type) {
    case 'outcome':
      return { type: 'outcome', outcome: decodeOutcome(response.outcome) }
    case 'refused':
    case 'beats':
    case 'read_at':
    case 'cluster_info':
      return response
    default:
      return unreachable(response)
  }
}
