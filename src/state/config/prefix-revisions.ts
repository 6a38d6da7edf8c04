const PREFIXES_MAX = 1_024

interface Namespace {
  readonly revisions: Map<string, number>
  /** The lengths of the prefixes above: how a key finds those that it lies under. */
  readonly lengths: Set<number>
}

/**
 * The last change under each prefix that was asked for lately. Without it every list and every
 * wait would read all keys under its prefix. Derived and local: dropping it changes no answer.
 */
export class PrefixRevisions {
  readonly #namespaces = new Map<string, Namespace>()
  #size = 0

  get(ns: string, prefix: string): number | null {
    return this.#namespaces.get(ns)?.revisions.get(prefix) ?? null
  }

  set(ns: string, prefix: string, revision: number): void {
    if (this.#size >= PREFIXES_MAX) {
      this.#namespaces.clear()
      this.#size = 0
    }
    const namespace = this.#namespaces.get(ns) ?? { revisions: new Map(), lengths: new Set() }
    this.#namespaces.set(ns, namespace)
    if (!namespace.revisions.has(prefix)) this.#size++
    namespace.revisions.set(prefix, revision)
    namespace.lengths.add(prefix.length)
  }

  changed(ns: string, key: string, revision: number): void {
    const namespace = this.#namespaces.get(ns)
    if (namespace === undefined) return
    for (const length of namespace.lengths) {
      if (length > key.length) continue
      const prefix = key.slice(0, length)
      if (namespace.revisions.has(prefix)) namespace.revisions.set(prefix, revision)
    }
  }
}
