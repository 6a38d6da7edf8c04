/** `text/event-stream`, as far as rollcall speaks it. */
import { lacking } from './error.ts'

export interface Frame {
  readonly event: string
  readonly data: string
  readonly id: string | null
}

/** In characters; a single event beyond this is no event of ours. */
const FRAME_MAX = 16 * 1024 * 1024

/** The frames of each chunk as it arrives; a frame that the end cut off is left out. */
export async function* framesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<readonly Frame[], void, undefined> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const text = (rest + decoder.decode(value, { stream: true })).replaceAll('\r\n', '\n')
      const end = text.lastIndexOf('\n\n')
      rest = end < 0 ? text : text.slice(end + 2)
      if (rest.length > FRAME_MAX) throw lacking('the end of an event')
      yield end < 0 ? [] : text.slice(0, end).split('\n\n').map(frameOf)
    }
  } finally {
    // The reader may be in the middle of a read that its connection's end has already failed.
    reader.cancel().catch(() => {})
  }
}

function frameOf(text: string): Frame {
  let event = 'message'
  let data: string | null = null
  let id: string | null = null
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') event = value
    else if (field === 'id') id = value
    else if (field === 'data') data = data === null ? value : `${data}\n${value}`
  }
  return { event, data: data ?? '', id }
}
