/**
 * The instances of a service, from a copy in this process: a pick asks nobody.
 *
 * What cannot be asked is never an empty list: `discover` rejects where there is nothing to go by,
 * and later the copy stays, marked, until some node has a newer one.
 */
import type { Batch } from './watch.ts'
import { lacking } from './error.ts'
import { Feed } from './feed.ts'
import type { Copy, Freshness } from './feed.ts'
import type { Instance } from './instance.ts'
import { path } from './path.ts'
import { weightedRandom } from './pickers.ts'
import type { Pick, Picker } from './pickers.ts'
import type { Session } from './session.ts'
import { asOf } from './transport.ts'
import type { CallOptions } from './transport.ts'

export interface DiscoverOptions {
  /** Only these: `(instance) => instance.tags.includes('http')`. */
  readonly where?: (instance: Instance) => boolean
  /** Weighted random by itself. */
  readonly picker?: Picker
  /** The nodes could not be asked; the copy stays. */
  readonly onTrouble?: (error: unknown) => void
}

export interface Discovery extends AsyncDisposable {
  readonly service: string
  /** Those that can take requests and pass `where`; by id. Another array after each change. */
  readonly instances: readonly Instance[]
  /** All that are registered, available or not. */
  readonly all: readonly Instance[]
  /** The revision of the store that this copy reflects. */
  readonly revision: number
  /** `live`, or what is gone by without a quorum. */
  readonly freshness: Freshness
  /** How long ago a quorum confirmed this copy. */
  readonly verifiedAgoMs: number
  /** The instance for the next request; null when none is available. `key`: see `sticky`. */
  readonly pick: Pick
  /** Another way to pick from the same copy. */
  picking(picker: Picker): Pick
  /** Called after each change; answers what ends that. */
  onChange(listener: (instances: readonly Instance[]) => void): () => void
  /** Asks the nodes now. Throws where none confirms it. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** Resolves with the first copy; throws where no node has one. */
export async function discover(
  session: Session,
  service: string,
  options: DiscoverOptions = {},
): Promise<Discovery> {
  const { where = () => true, picker = weightedRandom() } = options
  const read = (call: CallOptions, known: Copy<Roll> | null) =>
    readRoll(session, service, { call, known })
  const source = { topic: `services/${service}`, watch: {}, read, next: nextRoll }
  const feed = new Feed<Roll>(session, source, options.onTrouble)
  /** One for each way to pick: makes its function anew. */
  const renewals = new Set<() => void>()
  const all = () => feed.copy?.value.instances ?? []
  let available: readonly Instance[] = []
  feed.listen(() => {
    available = all().filter((instance) => instance.available && where(instance))
    for (const renew of renewals) renew()
  })
  await feed.open()
  const picking = (of: Picker): Pick => {
    let pick = of(available)
    renewals.add(() => void (pick = of(available)))
    return (key) => pick(key)
  }
  return {
    service,
    get instances() {
      return available
    },
    get all() {
      return all()
    },
    get revision() {
      return feed.copy?.asOf ?? 0
    },
    get freshness() {
      return feed.freshness
    },
    get verifiedAgoMs() {
      return feed.verifiedAgoMs
    },
    pick: picking(picker),
    picking,
    onChange: (listener) => feed.listen(() => listener(available)),
    refresh: () => feed.refresh(),
    close: () => feed.close(),
    [Symbol.asyncDispose]: () => feed.close(),
  }
}

/** What the feed of a service copies. */
interface Roll {
  readonly instances: readonly Instance[]
  readonly etag: string | null
}

async function readRoll(
  session: Session,
  service: string,
  { call, known }: { readonly call: CallOptions; readonly known: Copy<Roll> | null },
): Promise<Copy<Roll>> {
  const answer = await session.call('GET', path`/v1/services/${service}`, {
    ...call,
    headers: { 'If-None-Match': known?.value.etag },
  })
  if (answer.status === 304 && known !== null) return { value: known.value, asOf: asOf(answer) }
  const { instances } = answer.json<{ readonly instances?: readonly Instance[] }>()
  if (!Array.isArray(instances)) throw lacking('instances')
  return {
    value: { instances: byId(instances), etag: answer.headers.get('etag') },
    asOf: asOf(answer),
  }
}

/** Events carry instances whole; what is no event of an instance is looked up. */
function nextRoll(
  { instances }: Roll,
  { events, revision }: Batch,
): { readonly value: Roll } | null {
  const all = new Map(instances.map((instance) => [instance.id, instance]))
  for (const { type, data } of events) {
    const instance = data as Partial<Instance>
    const { id, available } = instance
    if (!type.startsWith('instance.') || id === undefined || available === undefined) return null
    if (/expired|deregistered/.test(type)) all.delete(id)
    else all.set(id, instance as Instance)
  }
  return { value: { instances: byId([...all.values()]), etag: `"${revision}"` } }
}

function byId(instances: readonly Instance[]): readonly Instance[] {
  return [...instances].sort((a, b) => (a.id < b.id ? -1 : 1))
}
