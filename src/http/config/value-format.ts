/** Which syntax a value has, by its media type; null: whatever the bytes are, they are fine. */
import type { ValueFormat } from './value-checks.ts'

const FORMATS: Readonly<Record<string, ValueFormat>> = {
  'application/json': 'json',
  'text/json': 'json',
  'application/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'text/yaml': 'yaml',
  'text/x-yaml': 'yaml',
  'application/toml': 'toml',
  'text/toml': 'toml',
  'text/x-java-properties': 'properties',
}

export function formatOf(contentType: string): ValueFormat | null {
  const essence = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (Object.hasOwn(FORMATS, essence)) return FORMATS[essence] ?? null
  if (essence.endsWith('+json')) return 'json'
  return essence.endsWith('+yaml') ? 'yaml' : null
}
