/** One thing over all revisions: what it was at any of them. */
export class Versions<T> {
  readonly #revisions: number[] = []
  readonly #values: (T | null)[] = []

  set(revision: number, value: T | null): void {
    if (this.#revisions.at(-1) === revision) this.#values[this.#values.length - 1] = value
    else {
      this.#revisions.push(revision)
      this.#values.push(value)
    }
  }

  /** What was set at `revision`, the newest, never was. Returns whether nothing ever was then. */
  drop(revision: number): boolean {
    if (this.#revisions.at(-1) === revision) {
      this.#revisions.pop()
      this.#values.pop()
    }
    return this.#revisions.length === 0
  }

  get last(): T | null {
    return this.#values.at(-1) ?? null
  }

  /** Null where it did not exist (any more). */
  at(revision: number): T | null {
    for (let i = this.#revisions.length - 1; i >= 0; i--) {
      if ((this.#revisions[i] as number) <= revision) return this.#values[i] ?? null
    }
    return null
  }

  /** The revision of its last change at or before `revision`; 0 for none. */
  changedAt(revision: number): number {
    return this.#revisions.findLast((changed) => changed <= revision) ?? 0
  }
}

/** Those of `id`, which begin where there are none yet. */
export function storeOf<T>(map: Map<string, Versions<T>>, id: string): Versions<T> {
  let versions = map.get(id)
  if (versions === undefined) map.set(id, (versions = new Versions()))
  return versions
}

/** In the order of names. */
export function byName<T>(map: ReadonlyMap<string, Versions<T>>): Versions<T>[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, versions]) => versions)
}
