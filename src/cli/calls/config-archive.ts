/** `rollcall config export` and `config import` (also `rollcall import`). */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Answer, CallOptions } from '../../client/mod.ts'
import { CommandFailed, messageOf, UsageError } from '../errors.ts'
import { isObject, isRefused, listOf, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { shown } from '../text.ts'
import { textOf } from './config-read.ts'
import { readBytes } from './input.ts'
import { showRows, sizeText } from './show.ts'

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
const TRIES_MAX = 4

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
  const body = await linesOrArchive(call, words[0] ?? '-')
  const prune = settings.value('prune')
  const dryRun = settings.value('dry-run') === true
  const answer = await sendImport(openApi(call), {
    query: {
      dryRun: dryRun ? true : null,
      ...(prune === null ? {} : { prune: true, prefix: prune }),
    },
    body,
  })
  await showImport(call, objectOf(answer), dryRun)
  return 0
}

/**
 * A key that was written while the node looked makes a conflict, and nothing is applied. The next
 * try is another request, with another key: what was decided under the first one stays decided.
 */
async function sendImport(api: Api, options: CallOptions): Promise<Answer> {
  for (let left = TRIES_MAX; ; left--) {
    try {
      return await api.call('POST', '/v1/config-import', options)
    } catch (error) {
      if (left <= 1 || !isRefused(error, 'conflict')) throw error
    }
  }
}

async function showImport(
  call: Call,
  answer: Readonly<Record<string, unknown>>,
  dryRun: boolean,
): Promise<void> {
  await showRows(call, answer, {
    head: ['CHANGE', 'KEY', 'FROM VERSION', 'SIZE'],
    rows: listOf(answer['items']).map((item) => [
      item['change'],
      item['key'],
      isObject(item['from']) ? item['from']['version'] : '',
      isObject(item['to']) ? sizeText(item['to']['size']) : '',
    ]),
    none: 'nothing changes',
  })
  const counts = ['created', 'changed', 'deleted', 'unchanged'].map((name) => {
    return `${shown(answer[name])} ${name}`
  })
  call.context.terminal.err(`${counts.join(', ')}${dryRun ? '; nothing was written' : ''}\n`)
}

/** What is sent: an archive as it is, all else as NDJSON. */
async function linesOrArchive(call: Call, place: string): Promise<Uint8Array> {
  const prefix = call.settings.value('prefix') ?? ''
  if (place !== '-' && isFolder(place)) return linesOf(folderEntries(place), prefix)
  const bytes = await readBytes(call, place)
  if (prefix === '') return bytes
  if (isTar(bytes)) {
    throw new UsageError('--prefix is for lines and folders: unpack the archive, and import that')
  }
  return linesOf(entriesOf(bytes, place), prefix)
}

function entriesOf(bytes: Uint8Array, place: string): readonly ImportEntry[] {
  const lines = new TextDecoder().decode(bytes).split('\n')
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const entry = parsed(line)
    if (isObject(entry) && typeof entry['key'] === 'string')
      return [{ ...entry, key: entry['key'] }]
    throw new CommandFailed(`${place}: line ${i + 1} is no JSON object with a key`)
  })
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null // Said with its line by whoever asked.
  }
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

function linesOf(entries: readonly ImportEntry[], prefix: string): Uint8Array {
  const lines = entries.map((entry) => {
    return `${JSON.stringify({ ...entry, key: `${prefix}${entry.key}` })}\n`
  })
  return new TextEncoder().encode(lines.join(''))
}
