/** `rollcall config stage …`: values that only some callers see yet. */
import { path } from '../../client/mod.ts'
import { UsageError } from '../errors.ts'
import { listOf, objectOf, openApi } from './api.ts'
import type { Call } from './api.ts'
import { conditionsOf } from './config-write.ts'
import { contentTypeOf, readValue } from './input.ts'
import { orNearest } from './near.ts'
import { shortTime, show, showRows, sizeText } from './show.ts'

export async function stagePut(call: Call): Promise<number> {
  const [key = '', stage = '', file] = call.words
  const rule = call.settings.value('rule')
  if (rule === null) {
    throw new UsageError("config stage put needs --rule: who sees it? such as 'zone=eu;percent=10'")
  }
  const contentType = contentTypeOf(call)
  const body = await readValue(call, file)
  const answer = await openApi(call).call('PUT', path`/v1/config-stages/${key}/${stage}`, {
    query: { comment: call.settings.value('comment') },
    headers: { 'Rollcall-Stage-Rule': rule, ...conditionsOf(call) },
    body,
    ...(contentType === null ? {} : { contentType }),
  })
  await show(call, objectOf(answer), () => `${key} is staged as ${stage} for ${rule}`)
  return 0
}

export async function stageList(call: Call): Promise<number> {
  const [key = ''] = call.words
  const answer = objectOf(await openApi(call).call('GET', '/v1/config-stages', { query: { key } }))
  await showRows(call, answer, {
    head: ['STAGE', 'RULE', 'SIZE', 'TYPE', 'UPDATED', 'COMMENT'],
    rows: listOf(answer['items']).map((item) => [
      item['stage'],
      item['rule'],
      sizeText(item['size']),
      item['contentType'],
      shortTime(item['updatedAt']),
      item['comment'] ?? '',
    ]),
    none: `nothing is staged for ${key}`,
  })
  return 0
}

export async function stageGet(call: Call): Promise<number> {
  const [key = '', stage = ''] = call.words
  const answer = await openApi(call).call('GET', path`/v1/config-stages/${key}/${stage}`)
  await call.context.terminal.out(answer.bytes)
  return 0
}

export async function stagePromote(call: Call): Promise<number> {
  const [key = '', stage = ''] = call.words
  const api = openApi(call)
  const answer = await orNearest(api, 'key', key, () =>
    api.call('POST', path`/v1/config-stages/${key}/${stage}/promote`, {
      query: { comment: call.settings.value('comment') },
      headers: conditionsOf(call),
    }),
  )
  const written = objectOf(answer)
  await show(
    call,
    written,
    () => `${key} is at version ${String(written['version'])}, from ${stage}`,
  )
  return 0
}

export async function stageAbort(call: Call): Promise<number> {
  const [key = '', stage = ''] = call.words
  await openApi(call).call('DELETE', path`/v1/config-stages/${key}/${stage}`)
  await show(call, { key, stage, aborted: true }, () => `${stage} of ${key} is withdrawn`)
  return 0
}
