import { HotCache } from '../lib/hot-cache.ts'
import type { TopicChange } from './changes.ts'
import type { InstanceKey } from './command.ts'
import type { ConfigQueries } from './config/queries.ts'
import type { ConfigRow, InstanceRow } from './rows.ts'
import { instanceRow, instanceTopic, overridesOf } from './services/instance.ts'
import type { Tables } from './tables/tables.ts'

const BYTES_MAX = 16 * 1024 * 1024
/** What a row weighs in memory, with what its readers keep beside it, less its own bytes. */
const ROW_BYTES = 1_024

/**
 * Instances and config keys that were asked for lately, as their readers want them: the same object
 * until the resource changes, so that what is made of a row can be kept with it. A row is found
 * under its topic, and every change of a row is told under that. Derived and local: dropping a row
 * changes no answer.
 */
export class HotRows {
  readonly #tables: Tables
  readonly #queries: ConfigQueries
  readonly #instances: HotCache<InstanceRow>
  readonly #configs: HotCache<ConfigRow>

  /** `bytesMax`: of instances, and of config keys. */
  constructor(tables: Tables, configs: ConfigQueries, { bytesMax } = { bytesMax: BYTES_MAX }) {
    this.#tables = tables
    this.#queries = configs
    this.#instances = new HotCache({ weightMax: bytesMax })
    this.#configs = new HotCache({ weightMax: bytesMax })
  }

  instance(key: InstanceKey): InstanceRow | null {
    const place = `${key.ns}/${instanceTopic(key)}`
    const known = this.#instances.get(place)
    if (known !== undefined) return known
    const record = this.#tables.instance.find(key.ns, key.service, key.id)
    if (record === null) return null
    const row = instanceRow(record, overridesOf(this.#tables, record))
    this.#instances.set(place, row, ROW_BYTES + 4 * record.spec.length)
    return row
  }

  config(ns: string, key: string): ConfigRow | null {
    const place = `${ns}/config/${key}`
    const known = this.#configs.get(place)
    if (known !== undefined) return known
    const row = this.#queries.config(ns, key)
    if (row !== null) this.#configs.set(place, row, ROW_BYTES + row.value.length)
    return row
  }

  /** A batch was applied: what it changed is read anew. */
  applied(topics: readonly TopicChange[]): void {
    if (this.#instances.size + this.#configs.size === 0) return
    for (const { ns, topic } of topics) {
      if (topic.startsWith('config/')) this.#configs.delete(`${ns}/${topic}`)
      else if (topic.startsWith('services/')) this.#instances.delete(`${ns}/${topic}`)
    }
  }
}
