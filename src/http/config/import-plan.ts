/** What an import would change: its diff, and the transaction that makes it so. */
import { sameBytes } from '../../lib/bytes.ts'
import type { CommandOf } from '../../state/command.ts'
import type { StateReader } from '../../state/reader.ts'
import type { ConfigMeta, ConfigRow } from '../../state/rows.ts'
import type { ConfigValue } from './checked-write.ts'
import { contentTypeOf } from './content-type.ts'
import type { Carried } from './transfer-format.ts'

export interface ImportChange {
  readonly key: string
  readonly change: 'created' | 'changed' | 'deleted'
  /** What is there; null: nothing. */
  readonly before: ConfigMeta | ConfigRow | null
  /** What is to be there; null: nothing. */
  readonly after: (Carried & { readonly contentType: string }) | null
}

export interface ImportPlan {
  /** Of the store, as it was looked at. */
  readonly revision: number
  /** By key. */
  readonly changes: readonly ImportChange[]
  readonly unchanged: number
  /** The version of every key that the plan rests on; 0: it was not there. */
  readonly seen: ReadonlyMap<string, number>
}

export interface ImportAsked {
  readonly ns: string
  readonly items: readonly Carried[]
  /** Keys under it that the import does not carry are deleted; null: none is. */
  readonly prune: string | null
}

const PAGE = 1_000

export function planImport(state: StateReader, { ns, items, prune }: ImportAsked): ImportPlan {
  const changes: ImportChange[] = []
  const seen = new Map<string, number>()
  for (const item of items) {
    const before = state.config(ns, item.key)
    seen.set(item.key, before?.version ?? 0)
    const contentType = item.contentType ?? before?.contentType ?? suggested(item)
    if (before !== null && isSame(before, item, contentType)) continue
    const change = before === null ? 'created' : 'changed'
    changes.push({ key: item.key, change, before, after: { ...item, contentType } })
  }
  const unchanged = items.length - changes.length
  if (prune !== null) {
    for (const before of under(state, ns, prune)) {
      // What hangs on a lease is somebody's presence: no export carries it, and none takes it away.
      if (seen.has(before.key) || before.lease !== null) continue
      seen.set(before.key, before.version)
      changes.push({ key: before.key, change: 'deleted', before, after: null })
    }
  }
  changes.sort((x, y) => (x.key < y.key ? -1 : 1))
  return { revision: state.revision, changes, unchanged, seen }
}

function suggested({ key, value: bytes }: Carried): string {
  return contentTypeOf(undefined, { key, bytes })
}

function isSame(before: ConfigRow, { value }: Carried, contentType: string): boolean {
  return before.contentType === contentType && sameBytes(before.value, value)
}

/** All keys under a prefix, by key. */
export function* under(state: StateReader, ns: string, prefix: string): Generator<ConfigMeta> {
  let after: string | null = null
  for (;;) {
    const page: readonly ConfigMeta[] = state.configList(ns, { prefix, after, limit: PAGE })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.key
  }
}

/** What a plan writes, to be checked as any value is; an error names its key. */
export function valuesOf({ changes }: ImportPlan, ns: string): readonly ConfigValue[] {
  return changes.flatMap(({ key, after }) => {
    if (after === null) return []
    const { contentType, value } = after
    return [{ ns, key, contentType, value, at: key }]
  })
}

/** All of it or nothing, and only over what the plan was made from. */
export function transactionOf(
  plan: ImportPlan,
  write: { readonly ns: string; readonly comment: string | null; readonly by: string | null },
): CommandOf<'txn'> {
  const { ns, comment, by } = write
  const whenTrue = plan.changes.map(({ key, after }) => {
    if (after === null) {
      const command = { type: 'config_delete', ns, key, by, expect: null } as const
      return { type: 'write', command } as const
    }
    const { contentType, value } = after
    const free = { comment: comment ?? after.comment, by, lease: null, expect: null }
    const command = { type: 'config_put', ns, key, contentType, value, ...free } as const
    return { type: 'write', command } as const
  })
  const conditions = Array.from(plan.seen, ([key, version]) => {
    return { type: 'config_version', key, version } as const
  })
  return { type: 'txn', ns, conditions, whenTrue, whenFalse: [] }
}
