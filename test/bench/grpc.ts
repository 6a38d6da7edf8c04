/**
 * The few messages of etcd that are sent to it, as Protocol Buffers, behind gRPC's prefix. The
 * numbers of the fields are those of etcd's `rpc.proto`; all are of the length-delimited kind.
 */

const LENGTH_DELIMITED = 2
const utf8 = new TextEncoder()

/** A `PutRequest`: key = 1, value = 2. */
export function putRequest(put: { readonly key: string; readonly value: string }): Uint8Array {
  return framed([...field(1, put.key), ...field(2, put.value)])
}

/** A `RangeRequest`: key = 1, range_end = 2. Linearizable, as it is where nothing else is said. */
export function rangeRequest(range: { readonly key: string; readonly end?: string }): Uint8Array {
  return framed([...field(1, range.key), ...(range.end === undefined ? [] : field(2, range.end))])
}

/** The prefix of a message on the wire: not compressed, and its length, big-endian. */
function framed(message: readonly number[]): Uint8Array {
  const frame = new Uint8Array(5 + message.length)
  new DataView(frame.buffer).setUint32(1, message.length)
  frame.set(message, 5)
  return frame
}

function field(number: number, text: string): number[] {
  const bytes = utf8.encode(text)
  return [...varint((number << 3) | LENGTH_DELIMITED), ...varint(bytes.length), ...bytes]
}

/** Seven bits at a time, the lowest first; the eighth says that more follow. */
export function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  while (left >= 0x80) {
    bytes.push((left % 0x80) | 0x80)
    left = Math.floor(left / 0x80)
  }
  return [...bytes, left]
}
