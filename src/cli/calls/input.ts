/** What a command reads: a file, standard input, or the words of a flag. */
import { messageOf } from '../../lib/text.ts'
import { readFileSync, statSync } from 'node:fs'
import { CommandFailed, UsageError } from '../errors.ts'
import type { Call } from './api.ts'

/** More than a node takes by default would only be refused once it is sent. */
const BYTES_MAX = 64 * 1_024 * 1_024

/** The bytes of `path`; `-` is standard input. Throws `CommandFailed` where they cannot be read. */
export async function readBytes(
  { context }: Pick<Call, 'context'>,
  path: string,
): Promise<Uint8Array> {
  if (path === '-') {
    if (context.stdinIsTerminal) {
      context.terminal.err('rollcall: reading standard input, up to Ctrl-D\n')
    }
    return context.readStdin(BYTES_MAX)
  }
  try {
    const { size } = statSync(path)
    if (size > BYTES_MAX) throw new Error(`is larger than ${BYTES_MAX} bytes`)
    return readFileSync(path)
  } catch (error) {
    throw new CommandFailed(`${path} cannot be read: ${messageOf(error)}`)
  }
}

/** The value to write: `--value TEXT`, else the file, else standard input. */
export async function readValue(call: Call, file: string | undefined): Promise<Uint8Array> {
  const text = call.settings.value('value')
  if (text !== null && file !== undefined) {
    throw new UsageError(`the value comes from --value or from ${file}, not from both`)
  }
  return text === null ? readBytes(call, file ?? '-') : new TextEncoder().encode(text)
}

/** Short words for `--type`; anything else with a slash is a media type. */
const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  toml: 'application/toml',
  properties: 'text/x-java-properties',
  text: 'text/plain',
  bytes: 'application/octet-stream',
}

/** `--type` as a media type; null where it was not given and the key's extension decides. */
export function contentTypeOf({ settings }: Pick<Call, 'settings'>): string | null {
  const type = settings.value('type')
  if (type === null || type.includes('/')) return type
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
  if (known !== undefined) return known
  throw new UsageError(
    `--type: ${JSON.stringify(type)} is none of ${Object.keys(TYPES).join(', ')}, and no media type`,
  )
}
