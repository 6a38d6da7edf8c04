import { closeSync, fdatasyncSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StateOffer } from '../mesh/peer.ts'
import { createPlace } from '../state/mod.ts'
import type { SqlFactory } from './sqlite.ts'
import type { SqlInMemory } from './sqlite-sqljs.ts'
import { removeDatabase } from './state-file.ts'

/**
 * Makes the state of a witness at the place that it is offered, as a database file of its own,
 * durable when this returns; answers its path. It blocks for a few milliseconds.
 */
export function writePlace(dir: string, factory: SqlFactory, offer: StateOffer): string {
  const { snapshot, membershipIndex, membership } = offer
  const path = join(dir, `state-${snapshot.index}.tmp`)
  removeDatabase(path)
  const sql = factory.open(path)
  createPlace(sql, snapshot, { index: membershipIndex, data: membership })
  if (factory.driver === 'sql.js') {
    // It was opened by the factory for sql.js, which makes nothing else.
    writeFileSync(path, (sql as SqlInMemory).image(), { mode: 0o600 })
  } else sql.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  sql.close()
  const fd = openSync(path, 'r+')
  try {
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
  return path
}
