/** `rollcall lock list`, `get` and `release`. */
import { path } from '../../client/mod.ts'
import { UsageError } from '../errors.ts'
import { isRefused, listOf, objectOf, openApi } from './api.ts'
import type { Call } from './api.ts'
import { pages } from './config-read.ts'
import { shortTime, show, showRows } from './show.ts'

export async function lockList(call: Call): Promise<number> {
  const [prefix = ''] = call.words
  const { items, revision } = await pages(openApi(call), call, {
    path: '/v1/locks',
    list: 'locks',
    query: { prefix, consistency: call.settings.value('consistency') },
  })
  await showRows(
    call,
    { revision, locks: items },
    {
      head: ['LOCK', 'HELD BY', 'TOKEN', 'LIMIT', 'WAITING'],
      rows: items.map((item) => {
        const holders = listOf(item['holders'])
        return [
          item['name'],
          holders.map((holder) => String(holder['owner'])).join(', '),
          holders.map((holder) => String(holder['token'])).join(', '),
          item['limit'],
          item['waiting'],
        ]
      }),
      none: prefix === '' ? 'no locks' : `no lock begins with ${prefix}`,
    },
  )
  return 0
}

export async function lockGet(call: Call): Promise<number> {
  const { settings, words, context } = call
  const [name = ''] = words
  const token = settings.value('token')
  const api = openApi(call)
  const query = { token, consistency: settings.value('consistency') }
  try {
    const answer = objectOf(await api.call('GET', path`/v1/locks/${name}`, { query }))
    const rows = [...rowsOf(answer['holders'], 'holds'), ...rowsOf(answer['waiters'], 'waits')]
    await showRows(call, answer, {
      head: ['STATE', 'OWNER', 'TOKEN', 'SINCE', 'VALUE'],
      rows,
      none: `nobody holds ${name}, and nobody waits for it`,
    })
    return 0
  } catch (error) {
    // Asked of a lock that nobody has: an answer, no failure.
    if (token === null && isRefused(error, 'not_found')) {
      const none = { name, holders: [], waiters: [] }
      await show(call, none, () => '')
      context.terminal.err(`nobody holds ${name}, and nobody waits for it\n`)
      return 0
    }
    throw error
  }
}

function rowsOf(list: unknown, state: string): readonly (readonly unknown[])[] {
  return listOf(list).map((item) => [
    state,
    item['owner'],
    item['token'],
    shortTime(item['since']),
    item['value'] ?? '',
  ])
}

export async function lockRelease(call: Call): Promise<number> {
  const [name = ''] = call.words
  const token = call.settings.value('token')
  if (token === null) throw new UsageError('lock release needs --token: lock get NAME shows it')
  await openApi(call).call('DELETE', path`/v1/locks/${name}`, { query: { token } })
  await show(call, { name, token, released: true }, () => `${name} is released by token ${token}`)
  return 0
}
