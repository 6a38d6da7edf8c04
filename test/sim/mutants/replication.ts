import type { Mutant } from './mutant.ts'

export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-old-term',
    source: 'entries of older terms are committed by counting (PySyncObj#169; scenario 15)',
    file: 'src/raft/leader.ts',
    find: 'if (stored <= log.committed || log.termAt(stored) !== core.term) return',
    replace: 'if (stored <= log.committed) return',
  },
  {
    name: 'commit-counts-unsynced-self',
    source: 'the leader counts itself before its own disk (etcd #14370; scenario 22)',
    file: 'src/raft/leader.ts',
    find: 'id === config.id ? log.persisted : (leadership.progress.get(id)?.match ?? 0)',
    replace: 'id === config.id ? log.last : (leadership.progress.get(id)?.match ?? 0)',
  },
  {
    name: 'commit-past-covered',
    source: 'a follower commits what its append did not verify (WRaft#2; scenario 19)',
    file: 'src/raft/follower.ts',
    find: 'Math.min(append.commit, covered)',
    replace: 'Math.min(append.commit, log.last)',
  },
  {
    name: 'erase-matching-tail',
    source: 'a late, shorter append truncates what matches (RaftOS#26; scenario 18)',
    file: 'src/raft/follower.ts',
    find: 'if (term === entry.term) continue // A late or repeated append never shortens the log.',
    replace: '',
  },
  {
    name: 'ack-last-log-index',
    source: 'an acknowledgement names the last index, not what was verified (CCF; scenario 20)',
    file: 'src/raft/follower.ts',
    find: 'match: isHeartbeat ? Math.min(covered, log.persisted) : covered',
    replace: 'match: log.persisted',
  },
  {
    name: 'ack-before-fsync',
    source: 'entries are acknowledged while they are being written (Raft figure 2)',
    file: 'src/raft/follower.ts',
    find: 'if (isHeartbeat || covered <= log.persisted) outbox.send(response)',
    replace: 'if (isHeartbeat || covered > 0) outbox.send(response)',
  },
  {
    name: 'late-fsync-counts',
    source:
      'ABA: an older write ends and vouches for a newer entry (etcd append_aba_race; scenario 21)',
    file: 'src/raft/outbox.ts',
    find: 'for (const pending of this.#pending) pending.end = Math.min(pending.end, index - 1)',
    replace: 'for (const pending of this.#pending) pending.end += index * 0',
    more: [
      {
        file: 'src/raft/log.ts',
        find: "assert(index <= this.#written, 'only what was written becomes durable')",
        replace: '',
      },
    ],
  },
  {
    name: 'append-without-prev-check',
    source: 'the entry before the new ones is not compared (Raft §5.3)',
    file: 'src/raft/follower.ts',
    find: 'return log.termAt(append.prevIndex) === append.prevTerm',
    replace: 'return log.termAt(append.prevIndex) !== null',
  },
  {
    name: 'half-commits',
    source: 'half of the voters commit (Raft §5.3)',
    file: 'src/raft/quorum.ts',
    find: 'return descending[voters.length >> 1] as number',
    replace: 'return descending[(voters.length - 1) >> 1] as number',
  },
  {
    name: 'match-when-sent',
    source: 'what was sent counts as stored (Raft §5.3)',
    file: 'src/raft/progress.ts',
    find: '    this.#next = last + 1\n  }',
    replace: '    this.#next = last + 1\n    this.#match = last\n  }',
  },
  {
    name: 'commit-goes-back',
    source: 'a late append takes the commit index back (PySyncObj#166; scenario 19)',
    file: 'src/raft/log.ts',
    find: 'if (index > this.#committed) this.#committed = index',
    replace: 'this.#committed = index',
    more: [
      {
        file: 'src/raft/follower.ts',
        find: 'log.commitTo(Math.max(log.committed, Math.min(append.commit, covered)))',
        replace: 'log.commitTo(Math.min(append.commit, covered))',
      },
    ],
  },
  {
    name: 'apply-before-fsync',
    source: 'a node applies what its own disk does not hold yet (etcd #14370; scenario 22)',
    file: 'src/raft/log.ts',
    find: 'Math.min(this.#committed, this.#persisted, this.#handed + entriesMax)',
    replace: 'Math.min(this.#committed, this.#handed + entriesMax)',
  },
  {
    name: 'vouches-for-shorter-log',
    source: 'a truncation leaves what counts as durable where it was (scenario 21)',
    file: 'src/raft/log.ts',
    find: 'this.#persisted = Math.min(this.#persisted, this.#last)',
    replace: 'this.#persisted = Math.max(this.#persisted, 0)',
  },
]
