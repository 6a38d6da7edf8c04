/** Who is told that something does not exist is told what does, where the name is nearly the same. */
import { nearest } from '../../lib/nearest.ts'
import { didYouMean } from '../usage/arguments.ts'
import { CommandFailed } from '../errors.ts'
import type { Api } from './api.ts'
import { isRefused, listOf, objectOf } from './api.ts'

/** Where the things of a kind are listed, and what names them. */
const LISTS = {
  key: { path: '/v1/config', list: 'items', field: 'key', noun: 'key' },
  schema: { path: '/v1/config-schemas', list: 'schemas', field: 'prefix', noun: 'schema' },
  service: { path: '/v1/services', list: 'services', field: 'name', noun: 'service' },
  lock: { path: '/v1/locks', list: 'locks', field: 'name', noun: 'lock' },
} as const

export type Listed = keyof typeof LISTS

/** One page of them: enough for a hint, and for a shell that completes. */
const NAMES_MAX = 1_000

/** The names that begin with `prefix`, as far as one page goes. Throws as `Api.call` does. */
export async function namesOf(
  api: Api,
  kind: Listed,
  { prefix, timeoutMs }: { readonly prefix: string; readonly timeoutMs?: number },
): Promise<readonly string[]> {
  const { path, list, field } = LISTS[kind]
  const answer = await api.call('GET', path, {
    query: { prefix, limit: NAMES_MAX, consistency: 'stale' },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
  return listOf(objectOf(answer)[list]).flatMap((item) => {
    const name = item[field]
    return typeof name === 'string' ? [name] : []
  })
}

/** Runs `ask`; where the answer is that `name` does not exist, the error names the nearest. */
export async function orNearest<T>(
  api: Api,
  kind: Listed,
  name: string,
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!isRefused(error, 'not_found')) throw error
    throw new CommandFailed(`${error.message}${await hint(api, kind, name)}`, { cause: error })
  }
}

/** `; did you mean "web"?`, or nothing. */
export async function hint(api: Api, kind: Listed, name: string): Promise<string> {
  // A prefix may end in a slash: its own name stands before that.
  const prefix = name.slice(0, name.lastIndexOf('/', name.length - 2) + 1)
  try {
    const names = await namesOf(api, kind, { prefix })
    if (names.includes(name)) return '' // It is there: what is missing is something of it.
    const others = names.map((other) => other.slice(prefix.length))
    const near = nearest(name.slice(prefix.length), others)
    return didYouMean(near === null ? null : `${prefix}${near}`)
  } catch {
    return '' // A hint is worth no second error.
  }
}
