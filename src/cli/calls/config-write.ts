/** `rollcall config put`, `delete` and `rollback`. */
import { present } from '../../lib/assert.ts'
import { path } from '../../client/mod.ts'
import { BadValue, CommandFailed, UsageError } from '../errors.ts'
import { wholeBetween } from '../usage/values.ts'
import { isRefused, objectOf, openApi } from './api.ts'
import type { Call } from './api.ts'
import { contentTypeOf, readValue } from './input.ts'
import { orNearest } from './near.ts'
import { show } from './show.ts'

export async function configPut(call: Call): Promise<number> {
  const { settings, words } = call
  const [key = '', file] = words
  const contentType = contentTypeOf(call)
  const body = await readValue(call, file)
  const answer = await versioned(call, key, () =>
    openApi(call).call('PUT', path`/v1/config/${key}`, {
      query: { comment: settings.value('comment'), lease: settings.value('lease') },
      headers: conditionsOf(call),
      body,
      ...(contentType === null ? {} : { contentType }),
    }),
  )
  const written = objectOf(answer)
  await show(call, written, () => `${key} is at version ${String(written['version'])}`)
  return 0
}

export async function configDelete(call: Call): Promise<number> {
  const key = present(call.words[0], 'config delete has a key')
  await versioned(call, key, () =>
    openApi(call).call('DELETE', path`/v1/config/${key}`, { headers: conditionsOf(call) }),
  )
  await show(call, { key, deleted: true }, () => `${key} is deleted; its history stays`)
  return 0
}

export async function configRollback(call: Call): Promise<number> {
  const [key = '', word = ''] = call.words
  const to = versionOf(word)
  const comment = call.settings.value('comment')
  const api = openApi(call)
  const answer = await versioned(call, key, () =>
    orNearest(api, 'key', key, () =>
      api.call('POST', path`/v1/config-rollback/${key}`, {
        headers: conditionsOf(call),
        json: { to, ...(comment === null ? {} : { comment }) },
      }),
    ),
  )
  const written = objectOf(answer)
  await show(call, written, () => `${key} is at version ${String(written['version'])}, as in ${to}`)
  return 0
}

export function versionOf(word: string): number {
  try {
    return wholeBetween(1, Number.MAX_SAFE_INTEGER)(word)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageError(`VERSION: ${error.message}`)
  }
}

/** The headers of `--if-version` and `--fence`. */
export function conditionsOf({ settings }: Pick<Call, 'settings'>): Record<string, string> {
  const version = settings.value('if-version')
  const fences = (settings.value('fence') ?? []).map(([lock, token]) => `${lock}=${token}`)
  return {
    ...(version === null
      ? {}
      : version === 0
        ? { 'If-None-Match': '*' }
        : { 'If-Match': `"${version}"` }),
    ...(fences.length === 0 ? {} : { 'Rollcall-Lock': fences.join(', ') }),
  }
}

/** Runs a write; a condition that does not hold is told with what holds instead. */
async function versioned<T>(call: Call, key: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (!isRefused(error, 'version_mismatch')) throw error
    const wanted = call.settings.value('if-version')
    const why =
      wanted === 0
        ? `${key} is there already, ${currentText(error.problem)}`
        : `${key} is not at version ${wanted} but ${currentText(error.problem)}`
    throw new CommandFailed(`${why}; nothing was written`, { cause: error })
  }
}

/** What the problem of a 412 says about the present: `at version 4`, or `not there`. */
export function currentText(problem: Readonly<Record<string, unknown>>): string {
  const version = currentVersion(problem)
  return version === null ? 'not there' : `at version ${version}`
}

export function currentVersion(problem: Readonly<Record<string, unknown>>): number | null {
  const { current } = problem
  const version =
    typeof current === 'object' && current !== null && 'version' in current
      ? current.version
      : current
  const number = typeof version === 'string' ? Number(version.replaceAll('"', '')) : version
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : null
}
