/** The media type of a config value: what the writer says, else what the key and bytes suggest. */
import { utf8Text } from '../../lib/bytes.ts'
import { invalid } from '../error.ts'

const BY_EXTENSION: Readonly<Record<string, string>> = {
  conf: 'text/plain',
  css: 'text/css',
  csv: 'text/csv',
  env: 'text/plain',
  html: 'text/html',
  ini: 'text/plain',
  js: 'text/javascript',
  json: 'application/json',
  md: 'text/markdown',
  pem: 'application/x-pem-file',
  png: 'image/png',
  properties: 'text/x-java-properties',
  svg: 'image/svg+xml',
  toml: 'application/toml',
  txt: 'text/plain',
  xml: 'application/xml',
  yaml: 'application/yaml',
  yml: 'application/yaml',
}

/** curl's default for `--data`: nobody means it. */
const FORM = 'application/x-www-form-urlencoded'
const TOKEN = "[A-Za-z0-9!#$&^_.+'*`|~-]+"
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:\\s*;[\\x20-\\x7e]*)?$`)
const LENGTH_MAX = 255

interface Value {
  readonly key: string
  readonly bytes: Uint8Array
}

/** `at` names what says the type, for the error. */
export function contentTypeOf(
  header: string | undefined,
  { key, bytes }: Value,
  at = 'Content-Type',
): string {
  const given = header?.trim() ?? ''
  if (given !== '' && given.split(';', 1)[0]?.trim().toLowerCase() !== FORM)
    return checked(given, at)
  const extension = /\.([A-Za-z0-9]+)$/.exec(key)?.[1]?.toLowerCase() ?? ''
  if (Object.hasOwn(BY_EXTENSION, extension)) return BY_EXTENSION[extension] ?? 'text/plain'
  return utf8Text(bytes) === null ? 'application/octet-stream' : 'text/plain'
}

function checked(type: string, at: string): string {
  if (type.length <= LENGTH_MAX && MEDIA_TYPE.test(type)) return type
  throw invalid(at, 'is not a media type such as "application/json"')
}
