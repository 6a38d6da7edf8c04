/** When each resource that can be waited for changed: see `state/changes.ts` for the topics. */
import type { TopicChange } from '../../../src/state/mod.ts'

export class Topics {
  /** By namespace and topic: revisions, ascending. */
  readonly #changes = new Map<string, number[]>()

  touch({ ns, topic, revision }: TopicChange): void {
    const known = this.#changes.get(`${ns}/${topic}`)
    if (known === undefined) this.#changes.set(`${ns}/${topic}`, [revision])
    else if (known.at(-1) !== revision) known.push(revision)
  }

  /** Nothing changed at `revision`, the newest. */
  drop(revision: number): void {
    for (const [name, changes] of this.#changes) {
      if (changes.at(-1) === revision) changes.pop()
      if (changes.length === 0) this.#changes.delete(name)
    }
  }

  /** The last change at or before `revision`; 0 where there was none. */
  changedAt(ns: string, topic: string, revision: number): number {
    return lastUpTo(this.#changes.get(`${ns}/${topic}`) ?? [], revision)
  }

  /** The same of all topics that begin so. */
  changedAtPrefix(ns: string, prefix: string, revision: number): number {
    let last = 0
    const begin = `${ns}/${prefix}`
    for (const [name, changes] of this.#changes) {
      if (name.startsWith(begin)) last = Math.max(last, lastUpTo(changes, revision))
    }
    return last
  }
}

function lastUpTo(ascending: readonly number[], revision: number): number {
  for (let i = ascending.length - 1; i >= 0; i--) {
    const changed = ascending[i] as number
    if (changed <= revision) return changed
  }
  return 0
}
