import { decode } from '../../lib/msgpack.ts'
import { instanceStatus, overrideRowWire } from '../codec/fields.ts'
import type { OverrideRow } from '../rows.ts'
import type { NodeRecord, OverrideRecord, Tail } from '../tables/schema.ts'

function revisions(tail: Tail): Omit<Tail, 'attributes'> {
  const { createdRevision, revision, createdAtMs, updatedAtMs } = tail
  return { createdRevision, revision, createdAtMs, updatedAtMs }
}

export function overrideRow(record: OverrideRecord): OverrideRow {
  const [reason, by] = decode(record.detail) as [string, string]
  const { status, weight } = record
  return {
    status: status === null ? null : instanceStatus.from(status, 'status'),
    weight,
    reason,
    by,
    ...revisions(record),
  }
}

/** The override of a host, or null where its row exists for something else. */
export function nodeOverrideRow(record: NodeRecord | null): OverrideRow | null {
  if (record === null || record.override === null) return null
  return overrideRowWire.from(decode(record.override), 'override')
}
