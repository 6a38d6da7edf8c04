import type { Mutant } from './mutant.ts'

export const WATCH_MUTANTS: readonly Mutant[] = [
  {
    name: 'watch-drops-on-slow',
    source: 'what a slow reader cannot take is dropped, and it is not told (etcd#17529; V8)',
    file: 'src/replica/watch/hub.ts',
    find: "if (!watcher.ready) return this.#end(watcher, 'slow_reader')",
    replace: 'if (!watcher.ready) return watcher.clear()',
  },
  {
    name: 'watch-resends-after-resume',
    source: 'a resume begins with the event that was the last before (etcd#15271; V2, V5)',
    file: 'src/replica/watch/gate.ts',
    find: 'since: since ?? state.revision }',
    replace: 'since: since === null ? state.revision : Math.max(since - 1, state.oldestRevision) }',
  },
  {
    name: 'watch-resumes-too-late',
    source: 'a reader that was ahead of this node is given what comes from now on (V3, V5)',
    file: 'src/replica/watch/gate.ts',
    find: 'since: since ?? state.revision }',
    replace: 'since: since === null || since < state.revision - 20 ? state.revision : since }',
  },
  {
    name: 'revision-split',
    source: 'a chunk ends in the middle of a revision (V4)',
    file: 'src/replica/watch/watcher.ts',
    find: 'if (isLast && (at === queue.length || text.length >= CHUNK_CHARS)) {',
    replace: 'if (at > first) {',
  },
  {
    name: 'sync-too-early',
    source: 'a reader is called up to date while it still reads what was (etcd#15220; V6)',
    file: 'src/replica/watch/hub.ts',
    find: "return state === 'live' && !synced",
    replace: "return state !== 'ended' && !synced",
  },
  {
    name: 'progress-too-early',
    source: 'a bookmark counts what still waits for its reader (V6)',
    file: 'src/replica/watch/watcher.ts',
    find: 'if (next !== undefined) return next.revision - 1',
    replace: 'if (next !== undefined) return next.revision',
  },
  {
    name: 'compacted-silently',
    source: 'who falls behind what is kept goes on after the hole (V7)',
    file: 'src/replica/watch/hub.ts',
    find: "if (from < state.oldestRevision) return this.#end(first, 'revision_compacted')",
    replace: '',
  },
  {
    name: 'watch-misses-during-catchup',
    source: 'a watch goes live before it has read all that is applied (etcd; V3)',
    file: 'src/replica/watch/hub.ts',
    find: 'if (upTo === this.#applied) this.#join(watcher)',
    replace: 'this.#join(watcher)',
  },
  {
    name: 'watch-skips-on-overflow',
    source: 'a reader that is sent back to the table begins at the newest there (V3)',
    file: 'src/replica/watch/hub.ts',
    find: `    const from = watcher.handedUpTo(this.#applied)
`,
    replace: `    const from = this.#applied
`,
  },
  {
    name: 'hub-forgets-after-install',
    source: 'watches go on as if a snapshot had brought nothing (V3, V5)',
    file: 'src/replica/watch/hub.ts',
    find: "for (const watcher of this.#all) if (watcher.state === 'live') this.#readAgain(watcher)",
    replace: '',
  },
  {
    name: 'watch-told-per-topic',
    source: 'an event of two topics of one watch is told twice (V2)',
    file: 'src/replica/watch/watcher.ts',
    find: 'if (last === event) return',
    replace: '',
  },
  {
    name: 'watch-misses-prefix',
    source: 'a prefix is looked up by the longest one that is watched alone (V3)',
    file: 'src/replica/watch/topics.ts',
    find: 'for (const length of this.#lengths.keys()) {',
    replace: 'for (const length of [Math.max(...this.#lengths.keys())]) {',
  },
]
