/**
 * Those who look after configuration: they take versions back, look at old ones and at histories, and
 * put keys under schemas, while the leader trims what is old.
 */
import { utf8 } from '../../src/lib/bytes.ts'
import type { Command, CommandOf, ConfigVersion, StateReader } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
/** Nobody's but theirs: the search over single keys knows nothing of rollbacks. */
const KEYS = ['e1', 'e2']
/** Under schemas, now and then. */
const GOVERNED = 's1'
const PREFIXES = ['s', 's1']

export class Editors {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  async edit(n: number): Promise<void> {
    const { world, chance, plan } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      const key = chance.pick(KEYS)
      const who = `e${n}`
      const dice = chance.int(1, 10)
      if (dice <= 3) await this.#write(this.#workload.putCommand(who, key, null))
      else if (dice === 4) await this.#remove(who, key)
      else if (dice <= 6) await this.#rollback(who, key)
      else if (dice === 7) await this.#readVersion(key)
      else if (dice === 8) await this.#readHistory(key)
      else if (dice === 9) await this.#changeSchema(who)
      else await this.#writeGoverned(who)
    }
  }

  get #node(): SimNode {
    return this.#bench.chance.pick(this.#bench.nodes)
  }

  async #write(command: Command): Promise<void> {
    await this.#workload.write(this.#node, command)
  }

  async #remove(who: string, key: string): Promise<void> {
    const by = `${who}-${this.#bench.next()}`
    await this.#write({ type: 'config_delete', ns: NS, key, by, expect: null })
  }

  /**
   * To a version that is kept for certain when it is applied, or to one that never was: it goes by
   * the version that it saw, and expects that one.
   */
  async #rollback(who: string, key: string): Promise<void> {
    const { chance, plan } = this.#bench
    const seen = await this.#look(key, `version of ${key}`, (state) => state.config(NS, key))
    if (seen === null || seen.value === null) return
    const { version } = seen.value
    const oldest = Math.max(1, version - plan.history.history.versions + 1)
    const to = chance.int(oldest, version + 1)
    const command: CommandOf<'config_rollback'> = {
      type: 'config_rollback',
      ns: NS,
      key,
      to,
      comment: null,
      by: `${who}-${this.#bench.next()}`,
      expect: { match: [version], absent: false },
    }
    await this.#write(command)
  }

  /** As the state has it; judged by whoever asks. */
  async #look<T>(key: string, what: string, query: (state: StateReader) => T) {
    let seen: T | null = null
    const answer = await this.#workload.read(this.#node, `${what} of ${key}`, {
      consistency: this.#bench.chance.pick(['lease', 'linearizable', 'stale']),
      minRevision: 0,
      query: (state) => {
        seen = query(state)
        return null
      },
      expected: () => null,
    })
    return answer === null ? null : { revision: answer.revision, value: seen as T | null }
  }

  async #readVersion(key: string): Promise<void> {
    const { chance, history, trims, sometimes } = this.#bench
    const drawn = chance.int(0, 30)
    const seen = await this.#look(key, 'a version', (state) => {
      const newest = state.configNewestVersion(NS, key)
      // Mostly an old one, which may be gone; or one that never was.
      const version = drawn === 0 ? newest + 1 : Math.ceil(newest * (drawn / 30) ** 2)
      return { version, newest, found: state.configVersion(NS, key, version) }
    })
    if (seen === null || seen.value === null) return
    const { version, found, newest } = seen.value
    if (found !== null) return trims.isAsWritten(key, found, seen.revision)
    if (version === 0 || version > newest) return
    sometimes.met('a version was no longer kept')
    const written = history.model.configs.written.find(NS, key, version)
    trims.mayBeGone(key, { version, newest, writtenAt: written?.revision ?? 0 }, seen.revision)
  }

  /** What is kept of it is the newest part, without a gap. */
  async #readHistory(key: string): Promise<void> {
    const { trims } = this.#bench
    const limit = this.#bench.chance.pick([3, 1_000])
    const page = { before: null, limit }
    const seen = await this.#look(key, 'history', (state) => state.configHistory(NS, key, page))
    if (seen === null || seen.value === null) return
    trims.isNewestPart(key, seen.value as readonly ConfigVersion[], { limit, at: seen.revision })
  }

  async #changeSchema(who: string): Promise<void> {
    const { chance } = this.#bench
    const prefix = chance.pick(PREFIXES)
    const by = `${who}-${this.#bench.next()}`
    if (chance.oneIn(3)) {
      await this.#write({ type: 'config_schema_delete', ns: NS, prefix, expect: null })
    } else {
      const schema = utf8(JSON.stringify({ $comment: by }))
      await this.#write({ type: 'config_schema_put', ns: NS, prefix, schema, by, expect: null })
    }
  }

  /** As an edge does it: it names the schemas that it saw, which may have changed since. */
  async #writeGoverned(who: string): Promise<void> {
    const { chance, sometimes } = this.#bench
    const command = this.#workload.putCommand(who, GOVERNED, null)
    const seen = await this.#look(GOVERNED, 'schemas', (state) => {
      return PREFIXES.flatMap((prefix) => state.configSchema(NS, prefix)?.revision ?? [])
    })
    if (seen === null || seen.value === null) return
    const revision = seen.value.length === 0 ? null : Math.max(...seen.value)
    const schemas = [{ key: GOVERNED, revision }]
    const guarded = { type: 'guarded', ns: NS, fences: [], schemas, command } as const
    const outcome = await this.#workload.write(this.#node, chance.oneIn(4) ? command : guarded)
    if (outcome?.ok === false && outcome.code === 'schema_changed') {
      sometimes.met('a schema changed under a write')
    }
  }
}
