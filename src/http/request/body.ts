/** Bodies: read once, as bytes, never beyond the limit. */
import { concatBytes, EMPTY_BYTES, utf8Text } from '../../lib/bytes.ts'
import type { Later } from '../../lib/later.ts'
import type { Asked, Edge } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'

/** `max`: in bytes, of a call that takes larger bodies than others. */
export async function readBytes(
  c: Asked,
  { limits }: Edge,
  max = limits.bodyBytesMax,
): Promise<Uint8Array> {
  const bytes = await read(c, max)
  c.set('body', bytes)
  return bytes
}

/** Whether the request has none for certain: then there is nothing to wait for. */
export function hasNoBody(c: Asked): boolean {
  if (c.req.header('Content-Encoding') !== undefined) return false
  const declared = c.req.header('Content-Length')
  return declared === undefined ? c.req.raw.body === null : declared === '0'
}

function read(c: Asked, max: number): Later<Uint8Array> {
  const encoding = c.req.header('Content-Encoding')
  if (encoding !== undefined && encoding !== 'identity') {
    throw invalid('Content-Encoding', 'is not supported: send the body as it is')
  }
  const declared = c.req.header('Content-Length')
  if (declared === undefined) return readStream(c.req.raw.body, max)
  if (!(Number(declared) <= max)) throw tooLarge(max)
  if (declared === '0') return EMPTY_BYTES
  // The server has held the client to the declared length: no stream is needed.
  return c.req.raw.arrayBuffer().then((buffer) => {
    if (buffer.byteLength > max) throw tooLarge(max)
    return new Uint8Array(buffer)
  }, cutOff)
}

async function readStream(
  body: ReadableStream<Uint8Array> | null,
  max: number,
): Promise<Uint8Array> {
  if (body === null) return EMPTY_BYTES
  const reader = body.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  for (;;) {
    const part = await reader.read().catch(cutOff)
    if (part.done) return parts.length === 1 ? (parts[0] ?? EMPTY_BYTES) : concatBytes(parts)
    length += part.value.length
    parts.push(part.value)
    if (length <= max) continue
    // The rest is not read; what its source says to that changes nothing here.
    void reader.cancel().catch(() => {})
    throw tooLarge(max)
  }
}

/** The client went away, or broke its own framing: nothing was done. */
function cutOff(cause: unknown): never {
  throw Object.assign(invalid('', 'the body could not be read to its end'), { cause })
}

function tooLarge(max: number): ApiError {
  return new ApiError('too_large', `the body is larger than ${max} bytes`, { limit: max })
}

/** The JSON of a body, whatever its Content-Type says; `undefined` where there is no body. */
export async function readJson(c: Asked, edge: Edge): Promise<unknown> {
  const bytes = await readBytes(c, edge)
  if (bytes.length === 0) return undefined
  const text = utf8Text(bytes)
  if (text === null) throw invalid('', 'the body is not valid UTF-8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    // Deep nesting ends here too: the parser's stack is bounded.
    throw Object.assign(invalid('', 'the body is not valid JSON'), { cause })
  }
}
