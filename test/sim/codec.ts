/** The production codec over one message list, without frames and sockets around it. */
import { concatBytes } from '../../src/lib/bytes.ts'
import { listHead } from '../../src/mesh/codec.ts'

export { decodeMessages, encodeMessage } from '../../src/mesh/mod.ts'

/** The payload that holds these encoded messages. */
export function payloadOf(messages: readonly Uint8Array[]): Uint8Array {
  return concatBytes([listHead(messages.length), ...messages])
}
