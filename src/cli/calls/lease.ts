/** `rollcall lease …`: what lives and dies together. */
import { formatDuration } from '../../lib/duration.ts'
import { isObject } from '../../lib/objects.ts'
import { path } from '../../client/mod.ts'
import { objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { fieldsText, show } from './show.ts'

const TTL_MS = 15_000
/** Beats in one time to live: two may be lost. */
const BEATS = 3

export async function leaseGrant(call: Call): Promise<number> {
  const owner = call.settings.value('owner')
  const ttl = formatDuration(call.settings.value('ttl') ?? TTL_MS)
  const answer = await openApi(call).call('POST', '/v1/leases', {
    json: { ttl, ...(owner === null ? {} : { owner }) },
  })
  const lease = objectOf(answer)
  // The id alone: a script puts it into a variable.
  await show(call, lease, () => String(lease['id']))
  return 0
}

export async function leaseRenew(call: Call): Promise<number> {
  const [id = ''] = call.words
  const api = openApi(call)
  const renewal = await renew(api, id)
  if (call.settings.value('keep') === true) return keep(call, api, { id, ttlMs: renewal['ttlMs'] })
  await show(call, renewal, () => `${id} is renewed for ${String(renewal['ttl'])}`)
  return 0
}

async function renew(api: Api, id: string): Promise<Readonly<Record<string, unknown>>> {
  const url = path`/v1/leases/${id}/heartbeat`
  return objectOf(await api.call('POST', url, { repeatable: true }))
}

/** Until a signal; the lease is left to its time to live then, or to `lease revoke`. */
async function keep(
  { context }: Call,
  api: Api,
  { id, ttlMs }: { readonly id: string; readonly ttlMs: unknown },
): Promise<number> {
  const stopped = Promise.withResolvers<'stopped'>()
  context.onSignal(() => stopped.resolve('stopped'))
  const everyMs = (typeof ttlMs === 'number' ? ttlMs : TTL_MS) / BEATS
  context.terminal.err(`rollcall: keeping ${id} alive; Ctrl-C ends that\n`)
  for (;;) {
    const first = await Promise.race([context.sleep(everyMs), stopped.promise])
    if (first === 'stopped') return 0
    // A node that is away for a moment is asked again; a lease that is gone is told at once.
    await renew(api, id)
  }
}

export async function leaseRevoke(call: Call): Promise<number> {
  const [id = ''] = call.words
  await openApi(call).call('DELETE', path`/v1/leases/${id}`)
  await show(call, { id, revoked: true }, () => `${id} is revoked, with all that hung on it`)
  return 0
}

export async function leaseGet(call: Call): Promise<number> {
  const [id = ''] = call.words
  const lease = objectOf(
    await openApi(call).call('GET', path`/v1/leases/${id}`, {
      query: { consistency: call.settings.value('consistency') },
    }),
  )
  const { expiresInMs } = lease
  await show(call, lease, () =>
    fieldsText(call, [
      ['lease', lease['id']],
      ['owner', lease['owner']],
      ['ttl', lease['ttl']],
      ['expires in', typeof expiresInMs === 'number' ? `${expiresInMs}ms` : null],
      ['instances', holdings(lease['instances'])],
      ['config', holdings(lease['config'])],
      ['locks', holdings(lease['locks'])],
    ]),
  )
  return 0
}

/** `web/web-1, app/motd`: whatever hangs on it, by name. */
function holdings(value: unknown): string {
  if (!Array.isArray(value)) return ''
  const names = value.map((item: unknown) => {
    return isObject(item) ? Object.values(item).map(String).join('/') : String(item)
  })
  return names.join(', ')
}
