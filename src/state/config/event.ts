/** The body of the events `config.put` and `config.deleted`: all but the value. */
import { decode, encode } from '../../lib/msgpack.ts'
import type { EventPlace } from '../reader.ts'

export interface ConfigEventBody {
  /** Of a deletion, that of the value that was deleted. */
  readonly version: number
  readonly contentType: string
  readonly by: string | null
  readonly comment: string | null
  readonly lease: string | null
  /** Null before clusterVersion 3. */
  readonly links: ConfigLinks | null
}

/** How a key's events hang together, newest first (`chain.ts`). */
export interface ConfigLinks {
  /** From 1 on, counted from the key's first linked event. */
  readonly depth: number
  /** The key's event before this one; null: there was none. */
  readonly prev: EventPlace | null
  /** An older one, further away; null: there is none so far back. */
  readonly jump: EventPlace | null
}

/** In most entries a key is written once, first of all: then the revision alone says where. */
type PackedPlace = number | readonly [number, number] | null

/** The order of the fields is a format: rows of it are in every state, and in its hash. */
export function encodeConfigBody(body: ConfigEventBody): Uint8Array {
  const { version, contentType, by, comment, lease, links } = body
  if (links === null) return encode([version, contentType, by, comment, lease])
  const { depth, prev, jump } = links
  return encode([version, contentType, by, comment, lease, depth, pack(prev), pack(jump)])
}

export function decodeConfigBody(bytes: Uint8Array): ConfigEventBody {
  const fields = decode(bytes) as readonly [
    number,
    string,
    string | null,
    string | null,
    string | null,
    number?,
    PackedPlace?,
    PackedPlace?,
  ]
  const [version, contentType, by, comment, lease, depth, prev = null, jump = null] = fields
  const links = depth === undefined ? null : { depth, prev: unpack(prev), jump: unpack(jump) }
  return { version, contentType, by, comment, lease, links }
}

function pack(place: EventPlace | null): PackedPlace {
  if (place === null) return null
  return place.n === 0 ? place.revision : [place.revision, place.n]
}

function unpack(packed: PackedPlace): EventPlace | null {
  if (packed === null) return null
  const [revision, n] = typeof packed === 'number' ? [packed, 0] : packed
  return { revision, n }
}
