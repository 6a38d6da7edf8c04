/** `rollcall config export` and `config import` (also `rollcall import`). */
import { messageOf } from '../../lib/text.ts'
import { isObject } from '../../lib/objects.ts'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Answer, CallOptions } from '../../client/mod.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { FolderFile, Imported } from '../import-formats/mod.ts'
import { isRefused, listOf, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { shown } from '../text.ts'
import { readBytes } from './input.ts'
import { showRows, sizeText } from './show.ts'

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
  const system = call.settings.need('from')
  if (place !== '-' && isFolder(place)) {
    if (system !== 'rollcall') throw new UsageError(`--from ${system} reads a file, not a folder`)
    const { fromFolder } = await formats()
    return carried(call, fromFolder(filesOf(place)), prefix)
  }
  const bytes = await readBytes(call, place)
  if (system !== 'rollcall') return carried(call, await foreign(system, bytes, place), prefix)
  if (prefix === '') return bytes
  if (isTar(bytes)) {
    throw new UsageError('--prefix is for lines and folders: unpack the archive, and import that')
  }
  return prefixed(bytes, place, prefix)
}

/** Readers of zip and YAML: loaded only here, so that all other commands start quickly. */
function formats() {
  return import('../import-formats/mod.ts')
}

async function foreign(
  system: 'consul' | 'nacos' | 'etcd',
  bytes: Uint8Array,
  place: string,
): Promise<Imported> {
  const { fromConsul, fromEtcd, fromNacos, ImportFormatError } = await formats()
  try {
    return { consul: fromConsul, nacos: fromNacos, etcd: fromEtcd }[system](bytes)
  } catch (error) {
    if (!(error instanceof ImportFormatError)) throw error
    throw new CommandFailed(`${place}: ${error.message}; nothing was sent`, { cause: error })
  }
}

/** The lines to send; what could not be carried over is said, never left out in silence. */
async function carried({ context }: Call, imported: Imported, prefix: string): Promise<Uint8Array> {
  for (const { name, why } of imported.skipped) {
    context.terminal.err(`rollcall: ${shown(name)} is left out: ${shown(why)}\n`)
  }
  if (imported.entries.length === 0) throw new CommandFailed('it holds nothing to import')
  const { toLines } = await formats()
  return toLines(imported.entries, prefix)
}

/** Lines of our own with `prefix` in front of each key. */
function prefixed(bytes: Uint8Array, place: string, prefix: string): Uint8Array {
  const lines = new TextDecoder().decode(bytes).split('\n')
  const moved = lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const entry = parsed(line)
    if (isObject(entry) && typeof entry['key'] === 'string') {
      return [`${JSON.stringify({ ...entry, key: `${prefix}${entry['key']}` })}\n`]
    }
    throw new CommandFailed(`${place}: line ${i + 1} is no JSON object with a key`)
  })
  return new TextEncoder().encode(moved.join(''))
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

/** Every file of a folder, by its path from there. */
function filesOf(folder: string): readonly FolderFile[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => ({ name: relative(folder, join(entry.parentPath, entry.name)), entry }))
  // What it leads to may be anything of this machine, and left out it would be deleted by --prune.
  const other = entries.find(({ name, entry }) => !entry.isFile() && !isHidden(name))
  if (other !== undefined) {
    const what = `${join(folder, other.name)} is a link or a device, not a file`
    throw new CommandFailed(`${what}; nothing was sent. cp -rL makes a folder of files of it`)
  }
  const names = entries
    .filter(({ entry }) => entry.isFile())
    .map(({ name }) => name)
    .sort()
  if (names.length > FILES_MAX) throw new CommandFailed(`${folder} holds ${names.length} files`)
  return names.map((name) => ({
    path: name.split(sep).join('/'),
    bytes: readFileSync(join(folder, name)),
  }))
}

function isHidden(name: string): boolean {
  return name.split(sep).some((part) => part.startsWith('.'))
}
