/** `rollcall config diff`: of two versions, or of a file and the current value. */
import { present } from '../../lib/assert.ts'
import { unifiedDiff } from '../../lib/unified-diff.ts'
import { utf8Text } from '../../lib/bytes.ts'
import { path } from '../../client/mod.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { printable } from '../text.ts'
import type { Paint } from '../text.ts'
import { listOf, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { versionOf } from './config-write.ts'
import { readBytes } from './input.ts'
import { orNearest } from './near.ts'
import { show } from './show.ts'

export async function configDiff(call: Call): Promise<number> {
  const { terminal } = call.context
  const [key = '', first, second] = call.words
  const api = openApi(call)
  const isFile = first !== undefined && !/^\d+$/.test(first)
  if (isFile && second !== undefined) {
    throw new UsageError(`config diff takes a file or versions, not ${first} and ${second}`)
  }
  const diff = isFile
    ? await diffWithFile(call, api, { key, file: first })
    : await diffOfVersions(api, key, await range(api, key, { first, second }))
  await show(call, { key, diff }, () =>
    diff.split('\n').map(coloured(terminal.outPaint)).join('\n').trimEnd(),
  )
  if (diff === '') terminal.err('no difference\n')
  return 0
}

async function range(
  api: Api,
  key: string,
  { first, second }: { readonly first: string | undefined; readonly second: string | undefined },
): Promise<{ readonly from: number; readonly to: number }> {
  if (first !== undefined && second !== undefined) {
    return { from: versionOf(first), to: versionOf(second) }
  }
  const answer = await orNearest(api, 'key', key, () =>
    api.call('GET', path`/v1/config-history/${key}`, { query: { limit: 2 } }),
  )
  const [newest, before] = listOf(objectOf(answer)['versions']).map(({ version }) =>
    Number(version),
  )
  if (newest === undefined) throw new CommandFailed(`no version of ${key} is kept`)
  if (first !== undefined) return { from: versionOf(first), to: newest }
  if (before === undefined)
    throw new CommandFailed(`${key} has one version only: nothing to compare`)
  return { from: before, to: newest }
}

async function diffOfVersions(
  api: Api,
  key: string,
  query: { readonly from: number; readonly to: number },
): Promise<string> {
  const answer = await orNearest(api, 'key', key, () =>
    api.call('GET', path`/v1/config-diff/${key}`, { query }),
  )
  return answer.text()
}

async function diffWithFile(
  call: Call,
  api: Api,
  { key, file }: { readonly key: string; readonly file: string },
): Promise<string> {
  const [answer, bytes] = await Promise.all([
    orNearest(api, 'key', key, () => api.call('GET', path`/v1/config/${key}`)),
    readBytes(call, file),
  ])
  const [before, after] = [utf8Text(answer.bytes), utf8Text(bytes)]
  if (before === null || after === null) {
    const isEqual = Buffer.compare(answer.bytes, bytes) === 0
    return isEqual ? '' : `${key} and ${file} differ, and at least one of them is no text`
  }
  const version = present(answer.headers.get('etag'), 'a value has a tag').replaceAll('"', '')
  return unifiedDiff(
    { name: `${key} (version ${version})`, text: before },
    { name: file, text: after },
  )
}

/** As git paints a diff; what the values hold is escaped, so that it cannot paint anything. */
function coloured(paint: Paint): (line: string) => string {
  return (line) => {
    const text = printable(line.replaceAll('\t', '    '))
    if (/^(---|\+\+\+) /.test(line)) return paint('bold', text)
    if (line.startsWith('@@')) return paint('cyan', text)
    if (line.startsWith('+')) return paint('green', text)
    return line.startsWith('-') ? paint('red', text) : text
  }
}
