/** Who watches what: from an event to its watchers, at a cost that does not grow with the others. */
import { assert } from '../../lib/assert.ts'
import type { WatchTopic } from './watch.ts'

const SERVICES = 'services/'
/** A separator that no namespace and no topic holds. */
const SEPARATOR = '\u0000'

export class WatchTopics<W> {
  readonly #exact = new Map<string, Set<W>>()
  readonly #prefix = new Map<string, Set<W>>()
  /** How many prefixes there are of each length: only those cuts of a topic are looked up. */
  readonly #lengths = new Map<number, number>()

  add({ ns, topic, prefix }: WatchTopic, watcher: W): void {
    const key = ns + SEPARATOR + topic
    const map = prefix ? this.#prefix : this.#exact
    const watchers = map.get(key)
    if (watchers !== undefined) return void watchers.add(watcher)
    map.set(key, new Set([watcher]))
    if (prefix) this.#lengths.set(key.length, (this.#lengths.get(key.length) ?? 0) + 1)
  }

  remove({ ns, topic, prefix }: WatchTopic, watcher: W): void {
    const key = ns + SEPARATOR + topic
    const map = prefix ? this.#prefix : this.#exact
    const watchers = map.get(key)
    if (watchers === undefined || !watchers.delete(watcher) || watchers.size > 0) return
    map.delete(key)
    if (!prefix) return
    const left = (this.#lengths.get(key.length) ?? 0) - 1
    assert(left >= 0, 'a prefix is counted as long as it is watched')
    if (left === 0) this.#lengths.delete(key.length)
    else this.#lengths.set(key.length, left)
  }

  /** Visits those who watch an event of that topic; whoever has several that fit, several times. */
  visit(ns: string, topic: string, run: (watcher: W) => void): void {
    const key = ns + SEPARATOR + topic
    this.#visitExact(key, run)
    if (topic.startsWith(SERVICES)) {
      const end = topic.indexOf('/', SERVICES.length)
      if (end > 0) this.#visitExact(ns + SEPARATOR + topic.slice(0, end), run)
      this.#visitExact(`${ns}${SEPARATOR}services`, run)
    }
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue
      this.#prefix.get(key.slice(0, length))?.forEach(run)
    }
  }

  #visitExact(key: string, run: (watcher: W) => void): void {
    this.#exact.get(key)?.forEach(run)
  }
}
