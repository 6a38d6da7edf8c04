/**
 * Peer messages as positional lists, and back. A `messages` frame holds a list of them.
 *
 * What the handshake proved is not repeated: sender, incarnation and receiver of a Raft message
 * are those of the link, put in by {@link decodeMessages}, so no peer can speak for another one.
 * Entries and commands stay opaque bytes.
 *
 * Deviation: a retained entry keeps alive what its bytes are a view of. A part of a frame that is
 * less than half of it is copied out, so that memory bounded by the sizes of entries (the core's
 * tail) is at most doubled by the frames they came in.
 *
 * @module
 */
import { assert } from '../lib/assert.ts'
import { decode, encode, MsgpackError } from '../lib/msgpack.ts'
import { decodeEntries, encodeEntries, EntryCodecError } from '../raft/mod.ts'
import type { Append, Entry, Incarnation, Message, NodeId } from '../raft/types.ts'
import { CodecError, Fields } from './fields.ts'
import type { PeerMessage } from './peer.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './rpc-codec.ts'

/** Whose words travel, and to whom: what a link knows of its two ends. */
export interface Route {
  readonly from: NodeId
  readonly incarnation: Incarnation
  readonly to: NodeId
}

export const LIST_HEAD_BYTES = 5

/** The first item of a message. Numbers are never reused; the RPCs' start at 16. */
const TAG = {
  preVoteRequest: 0,
  voteRequest: 1,
  preVoteResponse: 2,
  voteResponse: 3,
  append: 4,
  accepted: 5,
  rejected: 6,
  timeoutNow: 7,
  installSnapshot: 8,
  request: 16,
  response: 17,
} as const

/**
 * One message as bytes. A Raft message must be of this route: anything else is a bug of ours.
 * Messages are laid out one by one, so that an outbox knows what it holds to the byte.
 */
export function encodeMessage(message: PeerMessage, route: Route): Uint8Array {
  return encode(layOut(message, route))
}

/** The items of a MessagePack list follow its head: what stands before `count` messages. */
export function listHead(count: number): Uint8Array {
  const head = new Uint8Array(LIST_HEAD_BYTES)
  head[0] = 0xdd // array 32
  new DataView(head.buffer).setUint32(1, count)
  return head
}

function layOut(message: PeerMessage, route: Route): readonly unknown[] {
  switch (message.type) {
    case 'raft':
      assert(message.message.from === route.from, 'a node speaks for itself')
      assert(message.message.incarnation === route.incarnation, 'a node keeps its incarnation')
      assert(message.message.to === route.to, 'a message goes to whom it names')
      return layOutRaft(message.message)
    case 'request':
      return [TAG.request, message.id, encodeRequest(message.request)]
    case 'response':
      return [TAG.response, message.id, encodeResponse(message.response)]
  }
}

function layOutRaft(message: Message): readonly unknown[] {
  const { term } = message
  switch (message.type) {
    case 'vote_request': {
      const tag = message.preVote ? TAG.preVoteRequest : TAG.voteRequest
      return [tag, term, message.lastTerm, message.lastIndex, message.transfer]
    }
    case 'vote_response':
      return [message.preVote ? TAG.preVoteResponse : TAG.voteResponse, term, message.granted]
    case 'append': {
      const { prevIndex, prevTerm, commit, round, promiseMs, heardRound, confirmedAgeMs } = message
      const bytes = message.entries.length === 0 ? null : bytesOf(message.entries)
      const head = [TAG.append, term, prevIndex, prevTerm, commit, round, promiseMs]
      return [...head, heardRound, confirmedAgeMs, bytes]
    }
    case 'append_response': {
      const { round, result } = message
      if (result.ok) return [TAG.accepted, term, round, result.match]
      const { rejected, conflictTerm, conflictIndex } = result
      return [TAG.rejected, term, round, rejected, conflictTerm, conflictIndex]
    }
    case 'timeout_now':
      return [TAG.timeoutNow, term]
    case 'install_snapshot': {
      const { snapshot, membershipIndex, membership } = message
      return [TAG.installSnapshot, term, snapshot.index, snapshot.term, membershipIndex, membership]
    }
  }
}

/** The entries encoded last, and their bytes. */
const shared: { entries: readonly Entry[] | null; bytes: Uint8Array | null } = {
  entries: null,
  bytes: null,
}

/** Peers in step are sent the same list, one after the other: it is encoded once for all of them. */
function bytesOf(entries: readonly Entry[]): Uint8Array {
  if (shared.bytes === null || shared.entries !== entries) {
    shared.bytes = encodeEntries(entries)
    shared.entries = entries
  }
  return shared.bytes
}

/**
 * The messages of a payload, each checked to its last field. Throws {@link CodecError}; a frame
 * is taken whole or not at all.
 */
export function decodeMessages(payload: Uint8Array, route: Route): PeerMessage[] {
  try {
    const keep = keeper(payload)
    const list = new Fields(decode(payload))
    const messages: PeerMessage[] = []
    while (list.left > 0) messages.push(decodeMessage(new Fields(list.any()), route, keep))
    return messages
  } catch (cause) {
    if (cause instanceof MsgpackError || cause instanceof EntryCodecError) {
      throw new CodecError(cause.message, { cause })
    }
    throw cause
  }
}

/** What to keep of some bytes of the frame: see the deviation above. */
export type Keep = (bytes: Uint8Array) => Uint8Array

function keeper(frame: Uint8Array): Keep {
  return (bytes) => (bytes.length * 2 < frame.length ? bytes.slice() : bytes)
}

function decodeMessage(fields: Fields, route: Route, keep: Keep): PeerMessage {
  const tag = fields.int()
  let message: PeerMessage
  if (tag === TAG.request) {
    message = { type: 'request', id: fields.int(), request: decodeRequest(fields.any(), keep) }
  } else if (tag === TAG.response) {
    message = { type: 'response', id: fields.int(), response: decodeResponse(fields.any(), keep) }
  } else {
    message = { type: 'raft', message: decodeRaft(tag, fields, { route, keep }) }
  }
  fields.end()
  return message
}

function decodeRaft(
  tag: number,
  fields: Fields,
  { route, keep }: { readonly route: Route; readonly keep: Keep },
): Message {
  const envelope = { ...route, term: fields.int() }
  switch (tag) {
    case TAG.preVoteRequest:
    case TAG.voteRequest: {
      const preVote = tag === TAG.preVoteRequest
      const [lastTerm, lastIndex] = [fields.int(), fields.int()]
      const transfer = fields.bool()
      return { type: 'vote_request', ...envelope, preVote, lastTerm, lastIndex, transfer }
    }
    case TAG.preVoteResponse:
    case TAG.voteResponse: {
      const preVote = tag === TAG.preVoteResponse
      return { type: 'vote_response', ...envelope, preVote, granted: fields.bool() }
    }
    case TAG.append:
      return decodeAppend(fields, envelope, keep)
    case TAG.accepted: {
      const round = fields.int()
      const result = { ok: true, match: fields.int() } as const
      return { type: 'append_response', ...envelope, round, result }
    }
    case TAG.rejected: {
      const [round, rejected] = [fields.int(), fields.int()]
      const conflictTerm = fields.intOrNull()
      const result = { ok: false, rejected, conflictTerm, conflictIndex: fields.int() } as const
      return { type: 'append_response', ...envelope, round, result }
    }
    case TAG.timeoutNow:
      return { type: 'timeout_now', ...envelope }
    case TAG.installSnapshot: {
      const snapshot = { index: fields.int(), term: fields.int() }
      if (snapshot.term > envelope.term) throw new CodecError('terms out of order')
      const membershipIndex = fields.int()
      const membership = keep(fields.bytes())
      return { type: 'install_snapshot', ...envelope, snapshot, membershipIndex, membership }
    }
    default:
      throw new CodecError(`an unknown message ${tag}`)
  }
}

function decodeAppend(
  fields: Fields,
  envelope: Route & { readonly term: number },
  keep: Keep,
): Append {
  const [prevIndex, prevTerm, commit] = [fields.int(), fields.int(), fields.int()]
  const [round, promiseMs, heardRound] = [fields.int(), fields.int(), fields.int()]
  const confirmedAgeMs = fields.intOrNull()
  if (prevIndex >= Number.MAX_SAFE_INTEGER) throw new CodecError('an index beyond 2^53')
  const bytes = fields.any()
  if (bytes !== null && !(bytes instanceof Uint8Array)) throw new CodecError('not entries')
  const entries = bytes === null ? [] : decodeEntries(keep(bytes), prevIndex + 1)
  checkTerms(entries, { from: prevTerm, to: envelope.term })
  const timing = { round, promiseMs, heardRound, confirmedAgeMs }
  return { type: 'append', ...envelope, prevIndex, prevTerm, commit, ...timing, entries }
}

/** Terms never fall along a log, and none is ahead of the leader that sends it (Raft §5.1, §5.3). */
function checkTerms(
  entries: readonly Entry[],
  { from, to }: { readonly from: number; readonly to: number },
): void {
  let term = from
  for (const entry of entries) {
    if (entry.term < term || entry.term > to) throw new CodecError('terms out of order')
    term = entry.term
  }
}
