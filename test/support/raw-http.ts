/**
 * HTTP by hand, byte for byte: what no client library would send. One connection for each request,
 * so that whatever one of them does to its connection is its own.
 */
import { connect } from 'node:net'

export interface RawRequest {
  readonly method: string
  /** As it stands on the request line: nothing is encoded or resolved. */
  readonly target: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: Uint8Array | null
}

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Of one request: more than any `?timeout=` or `wait` that is asked for here. */
const ANSWER_MS = 30_000

/** Sends one request and reads its answer to the end. Rejects where none comes in time. */
export async function rawRequest(port: number, request: RawRequest): Promise<RawAnswer> {
  const { method, target, headers = [], body = null } = request
  const given = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
  const head = `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n`
  const bytes = Buffer.concat([
    Buffer.from(`${head}${given}${length}\r\n`),
    body ?? Buffer.alloc(0),
  ])
  return parse(await exchange(port, bytes))
}

/** Sends bytes and reads until the other side closes. */
export function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no answer within ${ANSWER_MS / 1_000} s`))
    }, ANSWER_MS)
    socket.on('data', (part: Buffer) => parts.push(part))
    socket.on('error', () => {}) // It may be cut after its answer: `close` tells.
    socket.on('close', () => {
      clearTimeout(late)
      resolve(Buffer.concat(parts))
    })
  })
}

function parse(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n')
  const [line = '', ...fields] = bytes
    .subarray(0, Math.max(0, end))
    .toString('latin1')
    .split('\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0)
  const headers = new Map(
    fields.map((field) => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const
    }),
  )
  const rest = end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4)
  const isChunked = headers.get('transfer-encoding') === 'chunked'
  return { status, headers, body: (isChunked ? unchunked(rest) : rest).toString('utf8') }
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    const length = end < 0 ? 0 : Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (!(length > 0)) return Buffer.concat(parts)
    parts.push(bytes.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
}
