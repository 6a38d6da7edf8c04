/** `rollcall config get`, `list`, `history` and `listeners`. */
import { present } from '../../lib/assert.ts'
import { utf8Text } from '../../lib/bytes.ts'
import { valueFields } from '../../lib/json-bytes.ts'
import { path } from '../../client/mod.ts'
import { CommandFailed } from '../errors.ts'
import { shown } from '../text.ts'
import { listOf, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { orNearest } from './near.ts'
import { shortTime, show, showRows, sizeText } from './show.ts'

/** One page asks for no more: the node's own bound. */
const PAGE_MAX = 1_000

export async function configGet(call: Call): Promise<number> {
  const { context, settings, words } = call
  const key = present(words[0], 'config get has a key')
  const api = openApi(call)
  const labels = settings.value('labels')
  const answer = await orNearest(api, 'key', key, () =>
    api.call('GET', path`/v1/config/${key}`, {
      query: { version: settings.value('version'), consistency: settings.value('consistency') },
      headers: labels === null ? {} : { 'Rollcall-Labels': labels },
    }),
  )
  const { bytes, headers } = answer
  if (settings.value('output') === 'json') {
    await show(call, { key, ...tagsOf(headers), ...valueFields(bytes) }, () => '')
    return 0
  }
  const { terminal } = context
  if (terminal.outIsTerminal && !isFitForTerminal(bytes)) {
    throw new CommandFailed(
      `the value of ${key} would upset a terminal (it is no plain text): ` +
        'send it into a file or a program, or take --output json',
    )
  }
  await terminal.out(bytes)
  // Only where somebody looks: a file gets the bytes, and nothing else.
  if (terminal.outIsTerminal && bytes.length > 0 && bytes.at(-1) !== 10) await terminal.out('\n')
  return 0
}

/** What the headers of a value say of it. */
function tagsOf(headers: Headers): Readonly<Record<string, unknown>> {
  const tag = /^(?:W\/)?"(.*)"$/.exec(headers.get('etag') ?? '')?.[1] ?? null
  const stage = headers.get('rollcall-stage')
  const isVersion = tag !== null && /^\d+$/.test(tag)
  return {
    ...(isVersion ? { version: Number(tag) } : { tag }),
    ...(stage === null ? {} : { stage }),
    contentType: headers.get('content-type'),
  }
}

/** Text without what moves the cursor or changes colours. */
function isFitForTerminal(bytes: Uint8Array): boolean {
  const text = utf8Text(bytes)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text !== null && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text)
}

export async function configList(call: Call): Promise<number> {
  const [prefix = ''] = call.words
  const consistency = call.settings.value('consistency')
  const { items, revision } = await pages(openApi(call), call, {
    path: '/v1/config',
    list: 'items',
    query: { prefix, consistency },
  })
  await showRows(
    call,
    { revision, items },
    {
      head: ['KEY', 'VERSION', 'TYPE', 'SIZE', 'UPDATED', 'BY'],
      rows: items.map((item) => [
        item['key'],
        item['version'],
        item['contentType'],
        sizeText(item['size']),
        shortTime(item['updatedAt']),
        item['updatedBy'],
      ]),
      none: prefix === '' ? 'no keys' : `no key begins with ${prefix}`,
    },
  )
  return 0
}

export async function configHistory(call: Call): Promise<number> {
  const key = present(call.words[0], 'config history has a key')
  const api = openApi(call)
  const { items: versions } = await orNearest(api, 'key', key, () =>
    pages(api, call, {
      path: path`/v1/config-history/${key}`,
      list: 'versions',
      query: { consistency: call.settings.value('consistency') },
    }),
  )
  await showRows(
    call,
    { key, versions },
    {
      head: ['VERSION', 'AT', 'BY', 'SIZE', 'TYPE', 'COMMENT'],
      rows: versions.map((item) => [
        item['version'],
        shortTime(item['at']),
        item['by'],
        item['deleted'] === true ? 'deleted' : sizeText(item['size']),
        item['deleted'] === true ? '' : item['contentType'],
        item['comment'] ?? '',
      ]),
      none: `no version of ${key} is kept`,
    },
  )
  return 0
}

export interface Paged {
  readonly path: string
  /** The field of the answer that holds the items. */
  readonly list: string
  readonly query: Readonly<Record<string, string | null>>
}

/** All pages, or as many items as `--limit` says. */
export async function pages(
  api: Api,
  { settings }: Pick<Call, 'settings'>,
  { path: url, list, query }: Paged,
): Promise<{ readonly items: Readonly<Record<string, unknown>>[]; readonly revision: unknown }> {
  const max = settings.value('limit') ?? Number.POSITIVE_INFINITY
  const items: Readonly<Record<string, unknown>>[] = []
  let cursor: string | null = null
  for (;;) {
    const limit = Math.min(PAGE_MAX, max - items.length)
    const answer = objectOf(await api.call('GET', url, { query: { ...query, limit, cursor } }))
    items.push(...listOf(answer[list]))
    const next = answer['next']
    if (typeof next !== 'string' || items.length >= max)
      return { items, revision: answer['revision'] }
    cursor = next
  }
}

export async function configListeners(call: Call): Promise<number> {
  const { context, settings, words } = call
  const key = present(words[0], 'config listeners has a key')
  const waitMs = settings.value('wait')
  const version = settings.value('version')
  const answer = objectOf(
    await openApi(call).call('GET', path`/v1/config-listeners/${key}`, {
      query: { version, ...(waitMs === null ? {} : { wait: `${waitMs}ms` }) },
      ...(waitMs === null
        ? {}
        : { timeoutMs: waitMs + WAIT_GRACE_MS, attemptMs: waitMs + WAIT_GRACE_MS }),
    }),
  )
  await showRows(call, answer, {
    head: ['LISTENER', 'VERSION', 'STAGE', 'NODE', 'BY', 'CONNECTED'],
    rows: listOf(answer['listeners']).map((item) => [
      item['instance'] ?? `(${shown(item['anonymous'])})`,
      item['version'],
      item['stage'] ?? '',
      item['node'],
      item['via'],
      item['connected'],
    ]),
    none: `nobody listens to ${key}`,
  })
  const { err } = context.terminal
  for (const { node, detail } of listOf(answer['missing'])) {
    err(`rollcall: the listeners of ${shown(node)} are not among them: ${shown(detail)}\n`)
  }
  if (version === null || answer['all'] === true) return 0
  err(`rollcall: not all of them hold version ${version}\n`)
  return 1
}

/** A node that was asked to wait answers a little after that, not before. */
const WAIT_GRACE_MS = 5_000
