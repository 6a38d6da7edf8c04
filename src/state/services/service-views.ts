import { present } from '../../lib/assert.ts'
import { HotCache } from '../../lib/hot-cache.ts'
import type { TopicChange } from '../changes.ts'
import type { InstanceRow, ServiceView } from '../rows.ts'
import { compareBytes } from '../tables/prefix.ts'

/** What an instance weighs in memory, with what its readers keep beside it, less its own texts. */
const INSTANCE_BYTES = 1_536
const VIEW_BYTES = 512
const BYTES_MAX = 64 * 1024 * 1024
/** Changes that a view may be behind by, where it holds fewer instances than that. */
const CHANGED_MIN = 64

const SERVICES = 'services/'

/** Where views come from: the rows as they are now. */
export interface ServiceRows {
  /** By id. */
  instances(ns: string, service: string): readonly InstanceRow[]
  instance(ns: string, service: string, id: string): InstanceRow | null
  revision(ns: string, service: string): number
  protectThreshold(ns: string, service: string): number
}

interface Kept {
  readonly view: ServiceView
  /** Instances that have changed since the view was made. */
  readonly changed: Set<string>
  /** Whether anything has: settings are no instance's. */
  isBehind: boolean
}

/**
 * The services that were looked up lately, decoded. A change of one instance costs reading that
 * one, when the service is next asked for: a service of ten thousand changes many times a second,
 * and reading it whole takes some 50 ms. Derived and local: dropping a view changes no answer.
 */
export class ServiceViews {
  readonly #rows: ServiceRows
  readonly #kept: HotCache<Kept>

  constructor(rows: ServiceRows, { bytesMax } = { bytesMax: BYTES_MAX }) {
    this.#rows = rows
    this.#kept = new HotCache({ weightMax: bytesMax })
  }

  /** What is kept, by weight. */
  get bytes(): number {
    return this.#kept.weight
  }

  get(ns: string, service: string): ServiceView {
    const key = keyOf(ns, service)
    const kept = this.#kept.get(key)
    if (kept !== undefined && !kept.isBehind) return kept.view
    const instances =
      kept === undefined ? this.#rows.instances(ns, service) : this.#caughtUp(ns, service, kept)
    const view: ServiceView = {
      revision: this.#rows.revision(ns, service),
      protectThreshold: this.#rows.protectThreshold(ns, service),
      instances,
      stamp: {},
    }
    const bytes = VIEW_BYTES + instances.length * INSTANCE_BYTES
    this.#kept.set(key, { view, changed: new Set(), isBehind: false }, bytes)
    return view
  }

  /** A batch was applied: the views of what it changed are behind. */
  applied(topics: readonly TopicChange[]): void {
    if (this.#kept.size === 0) return
    for (const { ns, topic } of topics) if (topic.startsWith(SERVICES)) this.#changed(ns, topic)
  }

  #changed(ns: string, topic: string): void {
    const slash = topic.indexOf('/', SERVICES.length)
    const service = topic.slice(SERVICES.length, slash < 0 ? topic.length : slash)
    const key = keyOf(ns, service)
    const kept = this.#kept.peek(key)
    if (kept === undefined) return
    kept.isBehind = true
    if (slash >= 0) kept.changed.add(topic.slice(slash + 1))
    // Nobody asks for it any more, or reading it anew is not more work.
    const changedMax = Math.max(CHANGED_MIN, kept.view.instances.length)
    if (kept.changed.size > changedMax) this.#kept.delete(key)
  }

  /** A new list: whoever holds the old one goes on reading what was. */
  #caughtUp(ns: string, service: string, { view, changed }: Kept): readonly InstanceRow[] {
    const instances = Array.from(view.instances)
    for (const id of changed) {
      const row = this.#rows.instance(ns, service, id)
      const at = placeOf(instances, id)
      const isThere = instances[at]?.id === id
      if (row !== null) instances.splice(at, isThere ? 1 : 0, row)
      else if (isThere) instances.splice(at, 1)
    }
    return instances
  }
}

/** A namespace holds no slash. */
function keyOf(ns: string, service: string): string {
  return `${ns}/${service}`
}

/** Where `id` stands, or would stand, among rows in the order of their ids. */
function placeOf(rows: readonly InstanceRow[], id: string): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const { id: other } = present(rows[middle], 'a place between the ends is taken')
    if (compareBytes(other, id) < 0) low = middle + 1
    else high = middle
  }
  return low
}
