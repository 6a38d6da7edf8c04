/** `rollcall service list`, `get`, `deregister` and `drain`. */
import { path } from '../../client/mod.ts'
import { UsageError } from '../errors.ts'
import { listOf, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { pages } from './config-read.ts'
import { hint, orNearest } from './near.ts'
import { fieldsText, pairsText, shortTime, show, showRows } from './show.ts'

export async function serviceList(call: Call): Promise<number> {
  const [prefix = ''] = call.words
  const consistency = call.settings.value('consistency')
  const { items, revision } = await pages(openApi(call), call, {
    path: '/v1/services',
    list: 'services',
    query: { prefix, consistency },
  })
  await showRows(
    call,
    { revision, services: items },
    {
      head: ['SERVICE', 'AVAILABLE', 'INSTANCES', 'TAGS'],
      rows: items.map((item) => [
        item['name'],
        item['available'],
        item['instances'],
        pairsText(item['tags']),
      ]),
      none: prefix === '' ? 'no services' : `no service begins with ${prefix}`,
    },
  )
  return 0
}

export async function serviceGet(call: Call): Promise<number> {
  const { settings, words } = call
  const [service = '', id] = words
  const api = openApi(call)
  if (id !== undefined) return getInstance(call, api, { service, id })
  const metadata = settings.value('metadata') ?? []
  const answer = objectOf(
    await api.call('GET', path`/v1/services/${service}`, {
      query: {
        consistency: settings.value('consistency'),
        available: settings.value('available') === true ? true : null,
        tag: settings.value('tag') ?? [],
        zone: settings.value('zone'),
        node: settings.value('node'),
        ...Object.fromEntries(metadata.map(([name, value]) => [`metadata.${name}`, value])),
      },
    }),
  )
  const instances = listOf(answer['instances'])
  // An unknown service is an empty list: a slip of the finger would look like an outage.
  const near = instances.length === 0 ? await hint(api, 'service', service) : ''
  await showRows(call, answer, {
    head: [
      'INSTANCE',
      'ADDRESS',
      'STATUS',
      'HEALTH',
      'AVAILABLE',
      'ZONE',
      'NODE',
      'WEIGHT',
      'TAGS',
    ],
    rows: instances.map((item) => [
      item['id'],
      addressText(item),
      statusText(item),
      item['health'],
      item['available'],
      item['zone'],
      item['node'],
      item['weight'],
      pairsText(item['tags']),
    ]),
    none: `no instance of ${service} is to be shown${near}`,
  })
  return 0
}

async function getInstance(
  call: Call,
  api: Api,
  { service, id }: { readonly service: string; readonly id: string },
): Promise<number> {
  const ask = () =>
    api.call('GET', path`/v1/services/${service}/instances/${id}`, {
      query: { consistency: call.settings.value('consistency') },
    })
  const item = objectOf(await orNearest(api, 'service', service, ask))
  await show(call, item, () => instanceText(call, item))
  return 0
}

export function instanceText(
  call: Pick<Call, 'context'>,
  item: Readonly<Record<string, unknown>>,
): string {
  return fieldsText(call, [
    ['instance', item['id']],
    ['service', item['service']],
    ['address', addressText(item)],
    ['available', item['available']],
    ['status', statusText(item)],
    ['health', item['health']],
    ['reason', item['healthReason']],
    ['weight', item['weight']],
    ['zone', item['zone']],
    ['node', item['node']],
    ['tags', pairsText(item['tags'])],
    ['metadata', pairsText(item['metadata'])],
    ['ttl', item['ttl'] ?? 'none: it stays until it is deleted'],
    ['updated', shortTime(item['updatedAt'])],
    ['revision', item['revision']],
  ])
}

function addressText({ address, port }: Readonly<Record<string, unknown>>): string {
  const host = String(address)
  if (typeof port !== 'number') return host
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** What it declares, and what an operator says instead. */
function statusText(item: Readonly<Record<string, unknown>>): string {
  const declared = String(item['status'])
  const [word] = [item['override'], item['nodeOverride']].flatMap((override) => {
    const isGiven = typeof override === 'object' && override !== null && 'status' in override
    return isGiven ? [String(override.status)] : []
  })
  return word === undefined || word === declared ? declared : `${word} (declares ${declared})`
}

export async function serviceDeregister(call: Call): Promise<number> {
  const [service = '', id = ''] = call.words
  await openApi(call).call('DELETE', path`/v1/services/${service}/instances/${id}`)
  await show(call, { service, id, deregistered: true }, () => `${id} of ${service} is gone`)
  return 0
}

export async function serviceDrain(call: Call): Promise<number> {
  const { settings } = call
  const { url, what } = drained(call)
  const api = openApi(call)
  if (settings.value('undo') === true) {
    if (settings.value('reason') !== null) {
      throw new UsageError('--reason is for what is drained, not for --undo')
    }
    await api.call('DELETE', url)
    await show(call, { drained: false }, () => `${what} counts as it declares itself`)
    return 0
  }
  const reason = settings.value('reason')
  const answer = await api.call('PUT', url, {
    json: { status: 'draining', ...(reason === null ? {} : { reason }) },
  })
  await show(call, objectOf(answer), () => `${what} is draining: no new traffic goes there`)
  return 0
}

/** What the operator's word is about: one instance, or a host. */
function drained({ settings, words: [service, id] }: Call): {
  readonly url: string
  readonly what: string
} {
  const node = settings.value('node')
  if (node !== null) {
    if (service !== undefined) {
      throw new UsageError('service drain takes an instance or --node, not both')
    }
    return { url: path`/v1/nodes/${node}/override`, what: `everything on ${node}` }
  }
  if (service === undefined || id === undefined) {
    throw new UsageError('service drain needs a SERVICE and an ID, such as web web-1, or --node')
  }
  return {
    url: path`/v1/services/${service}/instances/${id}/override`,
    what: `${id} of ${service}`,
  }
}
