/**
 * What two nodes say before they trust each other (DESIGN §9).
 *
 * Each proves the shared secret by a MAC over both hellos, byte for byte: ids, incarnations,
 * cluster ids, addresses and nonces, with the protocol version and the direction. Fresh nonces
 * make an old proof worthless, the direction makes a node's own proof worthless to it.
 */
import { assert } from '../lib/assert.ts'
import { decode, encode, MsgpackError } from '../lib/msgpack.ts'
import { nameProblem } from '../lib/names.ts'
import { CodecError, Fields } from './fields.ts'
import { PROTOCOL_VERSION } from './frame.ts'
import type { JoinRole, PeerIdentity } from './peer.ts'

/** A keyed hash: HMAC-SHA-256 but in the simulator. */
export type Mac = (secret: Uint8Array, bytes: Uint8Array) => Uint8Array

export interface Hello {
  readonly identity: PeerIdentity
  readonly nonce: Uint8Array
}

/** Messages between replicas, or bytes beside them. One link of the first kind a peer. */
export type LinkPurpose = keyof typeof LABELS

/** Who opened the WebSocket. */
export type LinkRole = 'dialer' | 'acceptor'

const NONCE_BYTES_MIN = 16
const NONCE_BYTES_MAX = 64
/** What a link is for is part of the proof: one for a stream proves nothing for a peer's link. */
const LABELS = { peer: 'rollcall mesh', stream: 'rollcall stream' } as const

/** Printable ASCII: these texts reach logs and status pages before they are believed. */
const PRINTABLE = /^[\x20-\x7e]*$/

export function encodeHello({ identity, nonce }: Hello): Uint8Array {
  assert(nonce.length >= NONCE_BYTES_MIN, 'a nonce cannot be guessed')
  const { id, incarnation, clusterId, foundingList, url } = identity
  const { membershipIndex, join, witness, version } = identity
  const texts = [id, incarnation, clusterId, foundingList, url]
  return encode([...texts, membershipIndex, join, witness, version, nonce])
}

/** Throws {@link CodecError}. */
export function decodeHello(payload: Uint8Array): Hello {
  const fields = fieldsOf(payload)
  const identity = {
    id: nodeId(fields),
    incarnation: printable(fields.text(128)),
    clusterId: printable(fields.textOrNull(128)),
    foundingList: printable(fields.textOrNull(4_096)),
    url: printable(fields.textOrNull(1_024)),
    membershipIndex: fields.int(),
    join: joinRole(fields.textOrNull(16)),
    witness: fields.bool(),
    version: printable(fields.text(64)),
  }
  const nonce = fields.bytes()
  if (nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) {
    throw new CodecError('a nonce of a strange length')
  }
  fields.end()
  return { identity, nonce: nonce.slice() }
}

/** The id in a hello of any version, to name the node that cannot be talked to. */
export function helloId(payload: Uint8Array): string {
  return nodeId(fieldsOf(payload))
}

function fieldsOf(payload: Uint8Array): Fields {
  try {
    return new Fields(decode(payload))
  } catch (cause) {
    if (cause instanceof MsgpackError) throw new CodecError(cause.message, { cause })
    throw cause
  }
}

function nodeId(fields: Fields): string {
  const id = fields.text(128)
  if (nameProblem(id) !== null) throw new CodecError('an id that is no name')
  return id
}

function joinRole(text: string | null): JoinRole | null {
  if (text === null || text === 'voter' || text === 'learner') return text
  throw new CodecError('a role that nobody can join as')
}

function printable<T extends string | null>(text: T): T {
  if (text !== null && !PRINTABLE.test(text)) throw new CodecError('a text that is not printable')
  return text
}

/** What `prover` sends to show that it has the secret. The hellos are their payloads. */
export function proof(
  { mac, secret }: { readonly mac: Mac; readonly secret: Uint8Array },
  purpose: LinkPurpose,
  prover: LinkRole,
  hellos: { readonly dialer: Uint8Array; readonly acceptor: Uint8Array },
): Uint8Array {
  const { dialer, acceptor } = hellos
  return mac(secret, encode([LABELS[purpose], PROTOCOL_VERSION, prover, dialer, acceptor]))
}

/** Whether both are the same, in a time that depends on their lengths alone. */
export function sameProof(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
