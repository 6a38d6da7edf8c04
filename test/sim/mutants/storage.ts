import type { Mutant } from './mutant.ts'

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'retry-after-eio',
    source: 'a failed fsync is taken for one that worked the next time (fsyncgate; scenario 31)',
    file: 'src/storage/wal.ts',
    find: 'if (error !== null) return this.#fail(error)',
    replace: '',
  },
  {
    name: 'done-before-sync',
    source: 'a write is reported durable when it is in the page cache (promise W2)',
    file: 'src/storage/wal.ts',
    find: '    const flight = { sequence, dones }',
    replace: `    for (const done of dones) done()
    const flight = { sequence, dones: [] }`,
  },
  {
    name: 'compact-before-durable',
    source: 'the log is cut before the database holds it durably (scenario 52, DESIGN §4)',
    file: 'src/replica/custody/upkeep.ts',
    find: '      if (complete) this.#becameDurable(index, bytesWritten)\n      if',
    replace: '      this.#becameDurable(index, bytesWritten)\n      if',
  },
  {
    name: 'compact-before-saved',
    source: 'a checkpoint is taken for one of all that was applied, saved or not (DESIGN §4)',
    file: 'src/replica/custody/upkeep.ts',
    find: 'state.save() // A checkpoint moves what is committed, and no more.\n    const index = state.savedIndex',
    replace: 'const index = state.appliedIndex',
  },
  {
    name: 'compact-at-replaced-entry',
    source: 'the log starts after an entry that another leader has replaced since',
    file: 'src/storage/compaction.ts',
    find: '({ isVoid }, i) => i > 0 && !isVoid',
    replace: '(_, i) => i > 0',
  },
  {
    name: 'snapshot-without-restart',
    source: 'a snapshot is installed and the old log stays (scenario 50, DESIGN §4)',
    file: 'src/storage/wal.ts',
    find: '    if (verdict.restartAt !== null) wal.restart(verdict.restartAt, foundedAnew)\n',
    replace: '',
  },
  {
    name: 'names-not-synced',
    source: 'a new segment is used before its name is durable (scenario 34)',
    file: 'src/storage/segment-allocator.ts',
    find: '    disk.syncDirectory()\n',
    replace: '',
  },
  {
    name: 'index-not-truncated',
    source: 'overwritten entries are still found where they were (CockroachDB; scenario 23)',
    file: 'src/storage/batch-index.ts',
    find: '(this.#firsts.at(-1) as LogIndex) >= entries.first) {',
    replace: '(this.#firsts.at(-1) as LogIndex) > entries.last) {',
  },
  {
    name: 'cuts-at-damage',
    source: 'any damage is cut off as if it were a torn tail (PAR, NATS; scenario 29)',
    file: 'src/storage/recovery.ts',
    find: '  if (walk.sequence < recordedUpTo) throw damageAfter(scanners, walk)\n',
    replace: '',
  },
  {
    name: 'checksum-not-compared',
    source: 'what the disk gives back is believed (promise D1; scenario 29)',
    file: 'src/storage/scan.ts',
    find: 'if (checksum !== header.checksum) {',
    replace: 'if (checksum < 0) {',
  },
]
