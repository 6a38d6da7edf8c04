/**
 * `rollcall config edit`: the value in a file, an editor over it, and a write that holds only if
 * nobody else wrote meanwhile. The file outlives every failure: what was typed is never lost.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { path } from '../../client/mod.ts'
import { present } from '../../lib/assert.ts'
import { messageOf } from '../../lib/text.ts'
import { CommandFailed } from '../errors.ts'
import { isRefused, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { currentText, currentVersion } from './config-write.ts'

/** What is edited, as it was read. */
interface Original {
  readonly key: string
  readonly bytes: Uint8Array
  /** 0: the key does not exist yet. */
  readonly version: number
  readonly contentType: string | null
}

/** Editors choose their colours by the end of a name. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/json': '.json',
  'application/yaml': '.yaml',
  'application/toml': '.toml',
}

export async function configEdit(call: Call): Promise<number> {
  const key = present(call.words[0], 'config edit has a key')
  const api = openApi(call)
  const original = await readOriginal(api, key)
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-edit-'))
  const file = join(folder, fileName(original))
  writeFileSync(file, original.bytes, { mode: 0o600 })
  const done = await editAndWrite(call, { api, original, file })
  // Only here: every failure before left by an error, which names the file.
  rmSync(folder, { recursive: true, force: true })
  await call.context.terminal.out(`${done}\n`)
  return 0
}

async function readOriginal(api: Api, key: string): Promise<Original> {
  try {
    const answer = await api.call('GET', path`/v1/config/${key}`)
    const version = Number(answer.headers.get('etag')?.replaceAll('"', ''))
    if (!Number.isSafeInteger(version)) throw new CommandFailed(`${key} came without its version`)
    const contentType = answer.headers.get('content-type')
    return { key, bytes: answer.bytes, version, contentType }
  } catch (error) {
    if (!isRefused(error, 'not_found')) throw error
    return { key, bytes: new Uint8Array(0), version: 0, contentType: null }
  }
}

function fileName({ key, contentType }: Original): string {
  const name = basename(key)
  if (/\.[A-Za-z0-9]+$/.test(name)) return name
  return `${name}${EXTENSIONS[contentType?.split(';')[0] ?? ''] ?? '.txt'}`
}

/** One editing, or several where the value was refused and somebody wants to mend it. */
async function editAndWrite(
  call: Call,
  work: { readonly api: Api; readonly original: Original; readonly file: string },
): Promise<string> {
  const { original, file } = work
  for (;;) {
    await runEditor(call, file).catch((error: unknown) => {
      throw kept(file, messageOf(error))
    })
    const bytes = readFileSync(file)
    if (bytes.equals(original.bytes)) return `${original.key}: nothing was changed`
    try {
      const written = await write(call, { ...work, bytes })
      return `${original.key} is at version ${written}`
    } catch (error) {
      if (isRefused(error, 'version_mismatch')) throw overtaken(work, error.problem)
      if (!isRefused(error, 'invalid_request', 'schema_violation') || call.context.ask === null) {
        throw kept(file, messageOf(error))
      }
      call.context.terminal.err(`rollcall: ${messageOf(error)}\n`)
      const again = await call.context.ask('Edit it again? [Y/n] ')
      if (/^n/i.test(again.trim())) throw kept(file, 'nothing was written')
    }
  }
}

async function write(
  { settings }: Call,
  {
    api,
    original,
    bytes,
  }: { readonly api: Api; readonly original: Original; readonly bytes: Uint8Array },
): Promise<number> {
  const { key, version, contentType } = original
  const answer = await api.call('PUT', path`/v1/config/${key}`, {
    query: { comment: settings.value('comment') },
    headers: version === 0 ? { 'If-None-Match': '*' } : { 'If-Match': `"${version}"` },
    body: bytes,
    ...(contentType === null ? {} : { contentType }),
  })
  return Number(objectOf(answer)['version'])
}

/** `$VISUAL`, else `$EDITOR`, else vi, with its own arguments, as a shell would start it. */
async function runEditor({ context }: Call, file: string): Promise<void> {
  const editor = context.env['VISUAL'] || context.env['EDITOR'] || 'vi'
  const child = spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, file], { stdio: 'inherit' })
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? null : signal === null ? `it ended with ${code}` : `ended by ${signal}`)
    })
  })
  const failed = await ended
  if (failed !== null) throw new CommandFailed(`the editor ${editor} failed: ${failed}`)
}

function kept(file: string, why: string): CommandFailed {
  return new CommandFailed(`${why}. What you wrote is in ${file}`)
}

/** Somebody else was faster: how to see what they did, and how to go on. */
function overtaken(
  { original: { key, version }, file }: { readonly original: Original; readonly file: string },
  problem: Readonly<Record<string, unknown>>,
): CommandFailed {
  const now = currentVersion(problem)
  const since = version === 0 ? 'it was not there when you began' : `you began with ${version}`
  return kept(
    file,
    `${key} was changed meanwhile: it is ${currentText(problem)}, ${since}; nothing was written. ` +
      `Compare: rollcall config diff ${key} ${file} . ` +
      `Then: rollcall config put ${key} ${file} --if-version ${now ?? 0}`,
  )
}
