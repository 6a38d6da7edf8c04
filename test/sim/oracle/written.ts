/** All that was ever written to config keys, by version: what a read of one must give. */
import type { ConfigMeta, ConfigVersion, ConfigVersionValue } from '../../../src/state/mod.ts'

export class Written {
  readonly #lines = new Map<string, ConfigVersion[]>()
  readonly #values = new Map<string, Uint8Array>()

  add(
    meta: ConfigMeta,
    { value, comment }: { readonly value: Uint8Array; readonly comment: string | null },
  ): void {
    const { version, revision, updatedAtMs: atMs, updatedBy: by, size, contentType } = meta
    const line = { version, revision, n: 0, atMs, by, comment, deleted: false, size, contentType }
    this.#of(meta.ns, meta.key).push(line)
    this.#values.set(`${meta.ns}/${meta.key} ${version}`, value)
  }

  deleted(
    { ns, key, version, contentType }: ConfigMeta,
    by: { readonly by: string | null; readonly revision: number; readonly atMs: number },
  ): void {
    const line = { version, n: 0, comment: null, deleted: true, size: 0, contentType, ...by }
    this.#of(ns, key).push(line)
  }

  find(ns: string, key: string, version: number): ConfigVersionValue | null {
    const value = this.#values.get(`${ns}/${key} ${version}`)
    const line = this.#of(ns, key).find((one) => one.version === version && !one.deleted)
    return value === undefined || line === undefined ? null : { ...line, value }
  }

  /** Newest first, as of `revision`. Of a revoked lease's keys only their order is not known. */
  history(ns: string, key: string, revision: number): readonly ConfigVersion[] {
    return this.#of(ns, key)
      .filter((line) => line.revision <= revision)
      .toReversed()
  }

  newest(ns: string, key: string, revision: number): number {
    return this.history(ns, key, revision)[0]?.version ?? 0
  }

  /** What the entry at that revision wrote never was. */
  drop(revision: number): void {
    for (const [name, lines] of this.#lines) {
      for (const { version } of lines.filter(
        (line) => line.revision === revision && !line.deleted,
      )) {
        this.#values.delete(`${name} ${version}`)
      }
      const kept = lines.filter((line) => line.revision !== revision)
      this.#lines.set(name, kept)
    }
  }

  #of(ns: string, key: string): ConfigVersion[] {
    const name = `${ns}/${key}`
    const lines = this.#lines.get(name) ?? []
    this.#lines.set(name, lines)
    return lines
  }
}
