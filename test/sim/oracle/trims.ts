/**
 * What a trim may take (RELIABILITY §3): never one of the newest versions of a key, nothing that is
 * younger than what is to be kept, and of each key the oldest first. And what is there is what was
 * written, byte for byte.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import type { ConfigVersion, ConfigVersionValue, HistoryPolicy } from '../../../src/state/mod.ts'
import { insist } from '../violation.ts'
import type { History } from './history.ts'

const NS = 'default'
const RULE = 'a version is what was written, for as long as it is to be kept'

export class Trims {
  readonly #history: History
  readonly #policy: HistoryPolicy

  constructor(history: History, policy: HistoryPolicy) {
    this.#history = history
    this.#policy = policy
  }

  isAsWritten(key: string, found: ConfigVersionValue, at: number): void {
    const { version, revision, value } = found
    const written = this.#history.model.configs.written.find(NS, key, version)
    const isSame = written !== null && written.revision === revision && revision <= at
    insist(
      isSame && sameBytes(written.value, value),
      RULE,
      () => `version ${version} of ${key} at ${at} is not what entry ${written?.revision} wrote`,
    )
  }

  mayBeGone(
    key: string,
    one: { readonly version: number; readonly newest: number; readonly writtenAt: number },
    at: number,
  ): void {
    const { versions, ageMs, feedMs, feedRevisions } = this.#policy
    const ageOf = this.#clusterMs(at) - this.#clusterMs(one.writtenAt)
    const isSurplus = one.newest - one.version >= versions
    const isOld = ageOf >= feedMs || at - one.writtenAt >= feedRevisions
    insist(
      isSurplus && isOld && ageOf >= ageMs,
      RULE,
      () =>
        `version ${one.version} of ${key} is gone at ${at}: the newest is ${one.newest}, and it was ` +
        `written at ${one.writtenAt}, ${ageOf} ms before`,
    )
  }

  /** Entries carry the cluster's clock. */
  #clusterMs(revision: number): number {
    return this.#history.at(revision)?.entry.clusterMs ?? 0
  }

  isNewestPart(
    key: string,
    lines: readonly ConfigVersion[],
    { limit, at }: { readonly limit: number; readonly at: number },
  ): void {
    const all = this.#history.model.configs.written.history(NS, key, at)
    const expected = all.slice(0, lines.length)
    insist(
      Bun.deepEquals(lines.map(withoutN), expected.map(withoutN)),
      RULE,
      () => `the history of ${key} at ${at}: ${JSON.stringify(lines)}, not ${JSON.stringify(all)}`,
    )
    if (lines.length === limit) return
    const gone = all[lines.length]
    const newest = all[0]?.version ?? 0
    if (gone === undefined) return
    this.mayBeGone(key, { version: gone.version, newest, writtenAt: gone.revision }, at)
  }
}

/** The model does not count events. */
function withoutN(line: ConfigVersion): ConfigVersion {
  return { ...line, n: 0 }
}
