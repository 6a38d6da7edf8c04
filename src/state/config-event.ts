/** The body of the events `config.put` and `config.deleted`: all but the value. */
import { decode, encode } from '../lib/msgpack.ts'

export interface ConfigEventBody {
  /** Of a deletion, that of the value that was deleted. */
  readonly version: number
  readonly contentType: string
  readonly by: string | null
  readonly comment: string | null
  readonly lease: string | null
}

/** The order of the fields is a format: rows of it are in every log's state, and in its hash. */
export function encodeConfigBody(body: ConfigEventBody): Uint8Array {
  return encode([body.version, body.contentType, body.by, body.comment, body.lease])
}

export function decodeConfigBody(bytes: Uint8Array): ConfigEventBody {
  const fields = decode(bytes) as readonly [number, string, ...(string | null)[]]
  const [version, contentType, by = null, comment = null, lease = null] = fields
  return { version, contentType, by, comment, lease }
}
