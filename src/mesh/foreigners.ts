import type { NodeId } from '../raft/types.ts'

/** The clusters that those claimed who were refused, by their names: a bounded list. */
export class Foreigners {
  readonly #max: number
  readonly #claims = new Map<NodeId, string>()

  constructor(max: number) {
    this.#max = max
  }

  /** Not proven. */
  get claims(): ReadonlyMap<NodeId, string> {
    return this.#claims
  }

  /** `id` was refused, and said that it belongs to `clusterId`; `own` is no foreign one. */
  note(id: NodeId, clusterId: string | null, own: string | null): void {
    this.#claims.delete(id)
    if (clusterId === null || clusterId === own) return
    this.#claims.set(id, clusterId)
    const [oldest] = this.#claims.keys()
    if (this.#claims.size > this.#max && oldest !== undefined) this.#claims.delete(oldest)
  }
}
