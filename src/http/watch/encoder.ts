/** The two forms of a stream (API.md "Watching"), each with and without config values. */
import type { WatchEncoder } from '../../replica/watch/watch.ts'
import type { StoredEvent } from '../../state/mod.ts'
import { eventJson } from './event-json.ts'

/** What one message is made of. `id`: null where a resume must not begin. */
interface Message {
  readonly event: string
  readonly id: number | null
  readonly data: object
}

/** WHATWG HTML, "Server-sent events". `data` is one line: JSON has no line breaks of its own. */
function sse({ event, id, data }: Message): string {
  const end = id === null ? '\n' : `id: ${id}\n\n`
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n${end}`
}

/** The same fields in one object a line. */
function ndjson({ event, id, data }: Message): string {
  const place = id === null ? '' : `"id":"${id}",`
  return `{"event":"${event}",${place}"data":${JSON.stringify(data)}}\n`
}

function encoder(slot: number, spell: (message: Message) => string, values: boolean): WatchEncoder {
  const told = (event: string) => (revision: number) =>
    spell({ event, id: revision, data: { revision } })
  return {
    slot,
    values,
    event(event: StoredEvent, isLast: boolean) {
      const known = eventJson(event, values)
      const id = isLast ? event.revision : null
      // Clients ignore events that they do not know; this one says where they are.
      if (known === null) return spell({ event: 'unknown', id, data: { revision: event.revision } })
      return spell({ event: known.name, id, data: known.data })
    },
    sync: told('sync'),
    progress: told('progress'),
    // With an id: whoever resumes by the last one goes on from here, too.
    cut: (code, revision) => spell({ event: 'cut', id: revision, data: { code, revision } }),
  }
}

const ENCODERS = {
  sse: [encoder(0, sse, false), encoder(1, sse, true)],
  ndjson: [encoder(2, ndjson, false), encoder(3, ndjson, true)],
} as const

export function watchEncoder(form: 'sse' | 'ndjson', values: boolean): WatchEncoder {
  return ENCODERS[form][values ? 1 : 0]
}
