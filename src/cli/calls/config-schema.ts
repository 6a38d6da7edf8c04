/** `rollcall config schema …`: what every value under a prefix must be. */
import { isObject } from '../../lib/objects.ts'
import { utf8Text } from '../../lib/bytes.ts'
import { path } from '../../client/mod.ts'
import { CommandFailed } from '../errors.ts'
import { shown } from '../text.ts'
import { isRefused, objectOf, openApi } from './api.ts'
import type { Call } from './api.ts'
import { pages } from './config-read.ts'
import { readValue } from './input.ts'
import { orNearest } from './near.ts'
import { shortTime, show, showRows, sizeText } from './show.ts'

export async function schemaPut(call: Call): Promise<number> {
  const [prefix = '', file] = call.words
  const body = await readValue(call, file)
  const answer = objectOf(
    await expected(prefix, () =>
      openApi(call).call('PUT', path`/v1/config-schemas/${prefix}`, {
        headers: conditionOf(call),
        body,
        contentType: 'application/schema+json',
      }),
    ),
  )
  await show(
    call,
    answer,
    () =>
      `what is written under ${prefix} must fit it from now on, revision ${shown(answer['revision'])}`,
  )
  warnOfExisting(call, prefix, answer['existing'])
  return 0
}

/** What is stored stays as it is: whoever writes it again would be refused. */
function warnOfExisting({ context }: Call, prefix: string, existing: unknown): void {
  if (!isObject(existing) || !(Number(existing['failing']) > 0)) return
  const { checked, failing, keys } = existing
  const named = Array.isArray(keys) ? keys.map(shown) : []
  const more = Number(failing) > named.length ? ', …' : ''
  context.terminal.err(
    `rollcall: ${shown(failing)} of the ${shown(checked)} values under ${prefix} that were looked at ` +
      `do not fit it, and stay as they are: ${named.join(', ')}${more}\n`,
  )
}

export async function schemaGet(call: Call): Promise<number> {
  const { context, settings, words } = call
  const [prefix = ''] = words
  const api = openApi(call)
  const { bytes, headers } = await orNearest(api, 'schema', prefix, () =>
    api.call('GET', path`/v1/config-schemas/${prefix}`, {
      query: { consistency: settings.value('consistency') },
    }),
  )
  const text = utf8Text(bytes)
  if (text === null) throw new CommandFailed(`the schema of ${prefix} is no text: is that a node?`)
  if (settings.value('output') === 'json') {
    const revision = Number(/^"(\d+)"$/.exec(headers.get('etag') ?? '')?.[1])
    await show(call, { prefix, revision, schema: JSON.parse(text) as unknown }, () => '')
    return 0
  }
  await context.terminal.out(bytes)
  if (context.terminal.outIsTerminal && !text.endsWith('\n')) await context.terminal.out('\n')
  return 0
}

export async function schemaList(call: Call): Promise<number> {
  const [prefix = ''] = call.words
  const { items, revision } = await pages(openApi(call), call, {
    path: '/v1/config-schemas',
    list: 'schemas',
    query: { prefix, consistency: call.settings.value('consistency') },
  })
  await showRows(
    call,
    { revision, schemas: items },
    {
      head: ['PREFIX', 'REVISION', 'SIZE', 'UPDATED', 'BY'],
      rows: items.map((item) => [
        item['prefix'],
        item['revision'],
        sizeText(item['size']),
        shortTime(item['updatedAt']),
        item['updatedBy'] ?? '',
      ]),
      none: prefix === '' ? 'no schemas' : `no schema is on a prefix that begins with ${prefix}`,
    },
  )
  return 0
}

export async function schemaDelete(call: Call): Promise<number> {
  const [prefix = ''] = call.words
  await expected(prefix, () =>
    openApi(call).call('DELETE', path`/v1/config-schemas/${prefix}`, {
      headers: conditionOf(call),
    }),
  )
  await show(call, { prefix, deleted: true }, () => `values under ${prefix} may be anything again`)
  return 0
}

/** The header of `--if-revision`. */
function conditionOf({ settings }: Pick<Call, 'settings'>): Record<string, string> {
  const revision = settings.value('if-revision')
  if (revision === null) return {}
  return revision === 0 ? { 'If-None-Match': '*' } : { 'If-Match': `"${revision}"` }
}

/** Runs a write; a condition that does not hold is told with what holds instead. */
async function expected<T>(prefix: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (!isRefused(error, 'version_mismatch')) throw error
    const { current } = error.problem
    const now = typeof current === 'number' ? `one of revision ${current}` : 'none'
    throw new CommandFailed(
      `the schema on ${prefix} is another one than you expect: there is ${now}; nothing was changed`,
      { cause: error },
    )
  }
}
