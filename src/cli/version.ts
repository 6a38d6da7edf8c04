import process from 'node:process'
import type { Build } from '../version.ts'

/** `rollcall 0.1.0 (commit …, bun …)`, or the same as JSON. */
export function versionText(build: Build, output: 'table' | 'json'): string {
  const { version, commit, compiled } = build
  if (output === 'json')
    return `${JSON.stringify({ version, commit, compiled, runtime: runtime() })}\n`
  return `rollcall ${version} (${compiled ? `commit ${commit}` : 'from source'}, ${runtime()})\n`
}

/** The runtime and its version, such as `bun 1.4.5`. */
function runtime(): string {
  const versions: Readonly<Record<string, string | undefined>> = process.versions
  const name = ['bun', 'deno'].find((known) => versions[known] !== undefined) ?? 'node'
  return `${name} ${versions[name] ?? ''}`
}
