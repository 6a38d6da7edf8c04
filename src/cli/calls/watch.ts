/** `rollcall watch`, `config watch` and `service watch`: changes as they happen. */
import { nearest } from '../../lib/nearest.ts'
import { messageOf } from '../../lib/text.ts'
import { isObject } from '../../lib/objects.ts'
import type { WatchEvent } from '../../client/mod.ts'
import { didYouMean } from '../usage/arguments.ts'
import { UsageError } from '../errors.ts'
import { printable, shown } from '../text.ts'
import type { Style } from '../text.ts'
import { explained, openApi } from './api.ts'
import type { Call } from './api.ts'

/** What a topic may begin with. */
const TOPICS = ['services', 'config', 'locks', 'members'] as const

/** Columns of the two first fields of a line. */
const REVISION_COLUMNS = 8
const TYPE_COLUMNS = 21

export function watchTopics(call: Call): Promise<number> {
  for (const topic of call.words) {
    const [first = '', ...rest] = topic.split('/')
    const isKnown = TOPICS.some((known) => known === first)
    if (
      isKnown &&
      (rest.length > 0 ? first !== 'members' : first === 'services' || first === 'members')
    ) {
      continue
    }
    const near = didYouMean(isKnown ? null : nearest(first, TOPICS))
    throw new UsageError(
      `${JSON.stringify(topic)} is no topic: services, services/NAME, config/KEY, config/PREFIX*, ` +
        `locks/NAME, members${near}`,
    )
  }
  return follow(call, call.words)
}

export function watchConfig(call: Call): Promise<number> {
  return follow(
    call,
    call.words.map((word) => `config/${word}`),
  )
}

export function watchServices(call: Call): Promise<number> {
  const [service] = call.words
  return follow(call, [service === undefined ? 'services' : `services/${service}`])
}

/** Until a signal; resumed by itself wherever a node is left. */
async function follow(call: Call, topics: readonly string[]): Promise<number> {
  const { context, settings } = call
  const api = openApi(call)
  const stop = new AbortController()
  context.onSignal(() => stop.abort())
  api.nothing.addEventListener('abort', () => stop.abort())
  const since = settings.value('since')
  const labels = settings.value('labels')
  const events = api.client.watch(topics, {
    signal: stop.signal,
    ...(since === null ? {} : { since }),
    ...(settings.value('values') === true ? { values: true } : {}),
    ...(labels === null ? {} : { labels: labelsOf(labels) }),
    onTrouble: (error) => {
      if (!stop.signal.aborted) {
        context.terminal.err(`rollcall: ${messageOf(error)}; going on at another node\n`)
      }
    },
  })
  const line = settings.value('output') === 'json' ? jsonLine : textLine
  try {
    for await (const event of events) await context.terminal.out(`${line(call, event)}\n`)
  } catch (error) {
    throw explained(error, api.endpoints)
  }
  api.nothing.throwIfAborted()
  return 0
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').map((part): [string, string] => {
    const at = part.indexOf('=')
    if (at < 1) throw new UsageError(`--labels: ${JSON.stringify(part)} is not NAME=VALUE`)
    return [part.slice(0, at), part.slice(at + 1)]
  })
  return Object.fromEntries(pairs)
}

function jsonLine(_: Call, { type, revision, data }: WatchEvent): string {
  return JSON.stringify({ event: type, revision, data })
}

function textLine({ context }: Call, { type, revision, data }: WatchEvent): string {
  const paint = context.terminal.outPaint
  const columns = [
    paint('dim', String(revision).padEnd(REVISION_COLUMNS)),
    paint(styleOf(type), printable(type).padEnd(TYPE_COLUMNS)),
    isObject(data) ? detail(data) : shown(data),
  ]
  return columns.join('  ')
}

function styleOf(type: string): Style {
  if (/\.(deleted|deregistered|expired)$/.test(type)) return 'red'
  return /\.(staged|updated)$/.test(type) ? 'yellow' : 'green'
}

/** What there is to say in one line: what it is, then what it is now. */
function detail(data: Readonly<Record<string, unknown>>): string {
  const has = (name: string) => data[name] !== undefined && data[name] !== null
  const subject = has('service')
    ? [data['service'], data['id']]
    : [data['key'] ?? data['name'] ?? data['id']]
  const named = [
    'version',
    'stage',
    'status',
    'health',
    'available',
    'owner',
    'token',
    'role',
    'comment',
    'value',
  ]
  const fields = named.filter(has).map((name) => `${name}=${shown(data[name])}`)
  const address = has('address')
    ? [`address=${shown(data['address'])}${has('port') ? `:${shown(data['port'])}` : ''}`]
    : []
  return [
    subject
      .filter((part) => part !== undefined)
      .map(shown)
      .join('/'),
    ...address,
    ...fields,
  ].join('  ')
}
