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
    find: '    segment.file.sync((error) => this.#onSynced(sequence, dones, error))',
    replace: `    for (const done of dones) done()
    segment.file.sync((error) => this.#onSynced(sequence, [], error))`,
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
]
