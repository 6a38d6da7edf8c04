/**
 * The state of a cluster that lost its quorum becomes the first state of a new one (DESIGN §7).
 *
 * Others may have been told of writes that are not here. So that nobody mixes the two up, the new
 * cluster goes on at a revision that the old one can never have reached, everything in it counts as
 * changed then, and what was before is not to be had. Revisions and fencing tokens never repeat.
 */
import { assert } from '../lib/assert.ts'
import { MultisetHash } from '../lib/hash.ts'
import { EVENT, MEMBERSHIP, SETTING, TABLES } from './tables/schema.ts'
import { COMPACTED_REVISION } from './settings.ts'
import type { Sql } from './tables/sql.ts'
import { addAllRows } from './tables/table.ts'

/** More entries than the old cluster can have written without this node: 2³². */
const ENTRIES_UNSEEN_MAX = 0x100000000
/** No cluster writes so many entries in a millisecond, for all of its life. */
const ENTRIES_PER_MS = 1_024

/**
 * The revision that a recovery or a restore goes on at: above `last`, the last that is known here,
 * and above that of an earlier recovery of the same data. `wallMs`: since 1970.
 */
export function revisionAfterLoss(last: number, wallMs: number): number {
  assert(Number.isSafeInteger(last) && last >= 0, 'a revision is a whole number')
  const revision = Math.max(last + ENTRIES_UNSEEN_MAX, Math.floor(wallMs) * ENTRIES_PER_MS)
  assert(Number.isSafeInteger(revision), 'the clock shows a year that revisions can express')
  return revision
}

/**
 * Makes the database in `sql`, a copy that nobody else uses, the first state of a new cluster: at
 * entry (`index`, `term`), with this membership, every row changed there. One transaction.
 */
export function foundAnew(
  sql: Sql,
  at: { readonly index: number; readonly term: number; readonly membership: Uint8Array },
): void {
  const { index, term, membership } = at
  sql.exec('BEGIN IMMEDIATE')
  for (const { name } of TABLES) {
    // An event is what happened then: its revision is its name.
    if (name !== EVENT.name) sql.prepare(`UPDATE ${name} SET revision = ?1`).run(index)
  }
  const setting = sql.prepare(
    `INSERT OR REPLACE INTO ${SETTING.name}
       (name, value, created_revision, revision, attributes) VALUES (?1, ?2, ?2, ?2, NULL)`,
  )
  setting.run(COMPACTED_REVISION, index)
  const member = sql.prepare(
    `INSERT OR REPLACE INTO ${MEMBERSHIP.name}
       (id, revision, created_revision, data, attributes) VALUES (1, ?1, ?1, ?2, NULL)`,
  )
  member.run(index, membership)
  const hash = new MultisetHash()
  for (const spec of TABLES) addAllRows(sql, hash, spec)
  const { a, b } = hash.lanes
  const applied = sql.prepare(
    'UPDATE applied SET applied_index = ?1, applied_term = ?2, hash_a = ?3, hash_b = ?4',
  )
  applied.run(index, term, a, b)
  sql.exec('COMMIT')
}
