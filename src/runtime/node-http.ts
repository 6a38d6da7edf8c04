/** Requests and answers of `node:http` as those of the standard, and back. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What stands for the host where a client of HTTP/1.0 names none. */
const NO_HOST = 'localhost'

/**
 * The request, or the answer to one that cannot be: of a method that the standard forbids, with a
 * host that no URL may hold, or with a body that declares more than `bodyBytesMax`.
 */
export function toRequest(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  bodyBytesMax: number,
): Request | Response {
  const { method = 'GET', headers } = incoming
  const declared = Number(headers['content-length'] ?? 0)
  if (declared > bodyBytesMax) {
    incoming.resume()
    return plain(413, 'the body is too large')
  }
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const init: RequestInit & { duplex?: 'half' } = {
    method,
    headers: headersOf(incoming),
    signal: gone.signal,
    ...(hasBody ? { body: bodyOf(incoming, outgoing, bodyBytesMax), duplex: 'half' } : {}),
  }
  try {
    return new Request(urlOf(incoming), init)
  } catch {
    return plain(400, 'the request cannot be understood')
  }
}

/** Writes the answer as fast as the client takes it. Resolves when it is done or cut off. */
export async function answerNode(
  answer: Response | Promise<Response>,
  outgoing: ServerResponse,
): Promise<void> {
  const { status, headers, body } = await answer
  if (outgoing.destroyed) return void body?.cancel().catch(() => {}) // Nobody waits for it.
  outgoing.writeHead(status, [...headers].flat())
  if (body === null) return void outgoing.end()
  const reader = body.getReader()
  // A body that never ends is let go with the connection, whatever its source says to that.
  outgoing.once('close', () => void reader.cancel().catch(() => {}))
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (!outgoing.write(value)) await drained(outgoing)
    }
    outgoing.end()
  } catch {
    outgoing.destroy() // Half an answer must not look like a whole one.
  }
}

function plain(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { Connection: 'close' } })
}

/** As they came: two of one name arrive joined, so that nobody reads only one of them. */
function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  }
  return headers
}

/** The target is a path, or a whole URL, whose host the Host header stands for as well. */
function urlOf({ url = '/', headers }: IncomingMessage): string {
  if (!url.startsWith('/')) return url
  return `http://${headers.host ?? NO_HOST}${url}`
}

/**
 * What nobody reads is dropped, never left in the socket: a client that is still sending must get
 * its answer, and the connection must come to its end. How long it may send, the server bounds.
 */
function bodyOf(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  bytesMax: number,
): ReadableStream<Uint8Array> {
  let bytes = 0
  const unread = new AbortController()
  outgoing.once('finish', () => unread.abort())
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const onData = (chunk: Buffer): void => {
        bytes += chunk.length
        if (bytes > bytesMax) return end(() => controller.error(new RangeError('too large')))
        controller.enqueue(new Uint8Array(chunk))
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
      }
      const onEnd = (): void => end(() => controller.close())
      const onClose = (): void => end(() => controller.error(new Error('the client went away')))
      const end = (tell: () => void): void => {
        incoming.off('data', onData).off('end', onEnd).off('close', onClose).resume()
        tell()
      }
      // Of a stream that was cancelled this tells nobody.
      const onUnread = (): void => end(() => controller.error(new Error('it was answered')))
      unread.signal.addEventListener('abort', onUnread, { once: true })
      incoming.on('data', onData).once('end', onEnd).once('close', onClose)
    },
    pull: () => void incoming.resume(),
    cancel: () => unread.abort(),
  })
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => () => {
      outgoing.off('drain', done)
      outgoing.off('close', cut)
      end()
    }
    const done = settle(resolve)
    const cut = settle(() => reject(new Error('the client went away')))
    outgoing.on('drain', done)
    outgoing.on('close', cut)
  })
}
