import type { Expectation } from './recovery.ts'
import { WalMismatch } from './errors.ts'
import { damageAt, recordsOf } from './chain.ts'
import type { Identity, LogRecord } from './records.ts'
import { sameOwner } from './replay.ts'
import type { SegmentScanner } from './scan.ts'

/** Who wrote this: the first batch of every segment that has one must agree. */
export function checkOwner(
  scanners: readonly SegmentScanner[],
  expected: Expectation,
): { readonly identity: Identity; readonly salt: number } {
  const opening = openingOf(scanners[0] as SegmentScanner)
  const { identity, salt } = opening
  if (expected.nodeId !== null && expected.nodeId !== identity.nodeId) {
    throw new WalMismatch('node_id', {
      what: 'the data directory belongs to another node',
      expected: `--id ${expected.nodeId}`,
      actual: `--id ${identity.nodeId}`,
    })
  }
  if (expected.witness !== identity.witness) {
    throw new WalMismatch('member_kind', {
      what: 'the data directory belongs to a node of another kind',
      expected: kindOf(expected),
      actual: kindOf(identity),
    })
  }
  for (const scanner of scanners) {
    const { number, name } = scanner.segment
    const found = scanner.batchAt(0)
    if (found.type === 'none') continue
    const other = ownerOf(recordsOf(found, { segment: scanner.segment, offset: 0 }))
    if (found.header.segment !== number) {
      const actual = `segment ${found.header.segment}`
      throw foreign(name, { expected: `segment ${number}`, actual })
    }
    if (found.header.salt !== salt || other === null || !sameOwner(other, identity)) {
      const actual = other === null ? 'another log' : describe(other)
      throw foreign(name, { expected: `the log of ${describe(identity)}`, actual })
    }
  }
  return { identity, salt }
}

/**
 * The first batch of the first segment was durable before the segments before it were removed, and
 * that of the very first one before the file had its name: without it there is no log.
 */
function openingOf(scanner: SegmentScanner): { identity: Identity; salt: number } {
  const { segment } = scanner
  const at = { segment, offset: 0 }
  const found = scanner.batchAt(0)
  if (found.type === 'none') throw damageAt(at, found)
  const identity = ownerOf(recordsOf(found, at))
  if (identity === null) throw damageAt(at, { expected: 'an identity', actual: 'none' })
  return { identity, salt: found.header.salt }
}

function ownerOf(records: readonly LogRecord[]): Identity | null {
  const record = records[0]
  return record?.type === 'identity' ? record.identity : null
}

function foreign(
  name: string,
  detail: { readonly expected: string; readonly actual: string },
): WalMismatch {
  return new WalMismatch('foreign_segment', { what: `${name} does not belong here`, ...detail })
}

function describe(identity: Identity): string {
  return `${identity.nodeId}, incarnation ${identity.incarnation}`
}

function kindOf({ witness }: { readonly witness: boolean }): string {
  return witness ? 'a witness' : 'a data node'
}
