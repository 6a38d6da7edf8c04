/** `rollcall config export` and `config import` (also `rollcall import`). */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CommandFailed, messageOf, UsageError } from '../errors.ts'
import { listOf, objectOf, openApi } from './api.ts'
import type { Call } from './api.ts'
import { textOf } from './config-read.ts'
import { readBytes } from './input.ts'
import { showRows } from './show.ts'

/** As one line of NDJSON: what `/v1/config-import` takes. */
export interface ImportEntry {
  readonly key: string
  readonly contentType?: string
  readonly value?: string
  readonly valueBase64?: string
  readonly comment?: string
}

const NDJSON = 'application/x-ndjson'
const TAR = 'application/x-tar'
/** A folder of more files than this is not one of configuration. */
const FILES_MAX = 100_000

export async function configExport(call: Call): Promise<number> {
  const { context, settings, words } = call
  const [prefix = ''] = words
  const accept = settings.value('tar') === true ? TAR : NDJSON
  if (accept === TAR && context.terminal.outIsTerminal) {
    throw new UsageError('a tar archive would upset a terminal: send it into a file')
  }
  const answer = await openApi(call).call('GET', '/v1/config-export', {
    query: { prefix },
    headers: { Accept: accept },
    stream: true,
  })
  for await (const chunk of answer.stream ?? []) await context.terminal.out(chunk)
  return 0
}

export async function configImport(call: Call): Promise<number> {
  const { settings, words } = call
  const { body, contentType } = await archiveOf(call, words[0] ?? '-')
  const dryRun = settings.value('dry-run') === true
  const answer = objectOf(
    await openApi(call).call('POST', '/v1/config-import', {
      query: {
        dryRun: dryRun ? true : null,
        prune: settings.value('prune') === true ? true : null,
      },
      body,
      contentType,
    }),
  )
  await showImport(call, answer, dryRun)
  return 0
}

async function showImport(
  call: Call,
  answer: Readonly<Record<string, unknown>>,
  dryRun: boolean,
): Promise<void> {
  const items = listOf(answer['items'])
  const changes = items.filter((item) => item['change'] !== 'unchanged')
  await showRows(call, answer, {
    head: ['CHANGE', 'KEY', 'VERSION'],
    rows: changes.map((item) => [item['change'], item['key'], item['version']]),
    none: 'nothing changes',
  })
  if (changes.length === 0) return
  const done = dryRun ? 'would change' : 'changed'
  call.context.terminal.err(`${changes.length} of ${items.length} keys ${done}\n`)
}

/** What is sent: an archive as it is, all else as NDJSON. */
async function archiveOf(
  call: Call,
  place: string,
): Promise<{ readonly body: Uint8Array; readonly contentType: string }> {
  if (place !== '-' && isFolder(place))
    return { body: linesOf(folderEntries(place)), contentType: NDJSON }
  const bytes = await readBytes(call, place)
  return { body: bytes, contentType: isTar(bytes) ? TAR : NDJSON }
}

/** `ustar` stands at a fixed place of the first header. */
function isTar(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.slice(257, 262)) === 'ustar'
}

function isFolder(place: string): boolean {
  try {
    return statSync(place).isDirectory()
  } catch (error) {
    throw new CommandFailed(`${place} cannot be read: ${messageOf(error)}`)
  }
}

/** Every file of a folder under its path from there; names that begin with a dot are left out. */
function folderEntries(folder: string): readonly ImportEntry[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
    .sort()
  if (files.length > FILES_MAX) throw new CommandFailed(`${folder} holds ${files.length} files`)
  return files.map((path) => entryOf(path, readFileSync(join(folder, path))))
}

function entryOf(key: string, bytes: Uint8Array): ImportEntry {
  const text = textOf(bytes)
  return text === null
    ? { key, valueBase64: Buffer.from(bytes).toString('base64') }
    : { key, value: text }
}

function linesOf(entries: readonly ImportEntry[]): Uint8Array {
  return new TextEncoder().encode(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
}
