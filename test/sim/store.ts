/**
 * The files under one node's state machine: what they hold is how far the history they go. Work on
 * them takes time, may be cut off by a crash, and may not get through; a snapshot is fetched from
 * its maker, over the same paths as messages, and may be gone by then.
 */
import { assert, present } from '../../src/lib/assert.ts'
import type { StateOffer } from '../../src/mesh/peer.ts'
import type { EntryId, LogIndex, NodeId } from '../../src/raft/mod.ts'
import type { StorePort } from '../../src/replica/ports.ts'
import type { StateMachine } from '../../src/state/mod.ts'
import type { Wal } from '../../src/storage/mod.ts'
import type { Chance } from './chance.ts'
import type { Rot } from './shared-state.ts'
import type { StateSource } from './state-source.ts'

/** What is dirty for one entry, in bytes. */
const ENTRY_BYTES = 200

export interface SimStoreHost {
  readonly id: NodeId
  readonly chance: Chance
  readonly states: StateSource
  readonly state: StateMachine
  readonly wal: Wal
  /** Within the life of this process. */
  later(ms: number, run: () => void): void
  /** Whether bytes pass between this node and that one, both ways. */
  reaches(id: NodeId): boolean
  /** What that node has to give just now; null: nothing, or it is down. */
  keptBy(id: NodeId): (EntryId & { readonly rot: Rot | null }) | null
  /** The log is about to start anew. */
  installing(at: EntryId): void
}

export class SimStore implements StorePort {
  readonly #host: SimStoreHost
  kept: (EntryId & { readonly rot: Rot | null }) | null = null
  #fetched: { readonly rot: Rot | null } | null = null
  readonly snapshotBytes = 1_000
  #failedBefore = false

  constructor(host: SimStoreHost) {
    this.#host = host
  }

  /** Work fails now and then, but never twice in a row: a healed cluster must get on. */
  #getsThrough(chance: Chance): boolean {
    const isThrough = this.#failedBefore || !chance.oneIn(8)
    this.#failedBefore = !isThrough
    return isThrough
  }

  get dirtyBytes(): number {
    const { states, id, state } = this.#host
    return (state.savedIndex - states.durableOf(id)) * ENTRY_BYTES
  }

  checkpoint(_: 'passive' | 'reset', done: (complete: boolean) => void): void {
    const { chance, states, id, state, later } = this.#host
    const index: LogIndex = state.savedIndex
    const complete = this.#getsThrough(chance)
    later(chance.ms(0.1, 20), () => {
      if (complete) states.checkpointed(id, index)
      done(complete)
    })
  }

  keepSnapshot(at: EntryId, done: Parameters<StorePort['keepSnapshot']>[1]): void {
    const { chance, later, states, id } = this.#host
    assert(states.durableOf(id) >= at.index, 'only what is in the file can be copied')
    this.kept = null
    const isRoom = this.#getsThrough(chance)
    later(chance.ms(1, 50), () => {
      const rot = states.rotOf(id)
      const wrong = findingOf(rot)
      if (isRoom && wrong === null) this.kept = { ...at, rot }
      done(!isRoom ? 'no_room' : wrong === null ? 'kept' : { wrong })
    })
  }

  dropSnapshot(): void {
    this.kept = null
  }

  fetch(
    offer: StateOffer,
    _: string | null,
    events: {
      progress(bytes: number, totalBytes: number): void
      done(result: 'whole' | 'gone'): void
    },
  ): () => void {
    const { chance, later, reaches, keptBy } = this.#host
    const pieces = chance.int(1, 4)
    let received = 0
    let cancelled = false
    const step = (): void => {
      if (cancelled) return
      if (reaches(offer.from)) {
        const kept = keptBy(offer.from)
        const { index, term } = offer.snapshot
        if (kept?.index !== index || kept.term !== term) return events.done('gone')
        received += 1
        events.progress(received, pieces)
        if (received === pieces) {
          this.#fetched = { rot: kept.rot }
          return events.done('whole')
        }
      }
      later(chance.ms(1, 60), step)
    }
    later(chance.ms(1, 60), step)
    return () => {
      cancelled = true
    }
  }

  get fenced(): string | null {
    return this.#host.states.fenced(this.#host.id)
  }

  fence(reason: string): void {
    this.#host.states.fence(this.#host.id, reason)
  }

  examine(done: (finding: string | null) => void): void {
    const { states, id, chance, later } = this.#host
    later(chance.ms(1, 200), () => done(findingOf(states.rotOf(id))))
  }

  examineFetched(done: (finding: string | null) => void): void {
    const { chance, later } = this.#host
    const { rot } = present(this.#fetched, 'only what was fetched is looked into')
    later(chance.ms(1, 50), () => done(findingOf(rot)))
  }

  /** As `runtime/state-store.ts`: the state first, then the log; a crash between is finished. */
  install({ snapshot, membership }: StateOffer, log: 'restart' | 'keep'): boolean {
    const { states, id, wal, state, installing } = this.#host
    const { rot } = present(this.#fetched, 'only what was fetched is installed')
    states.install(id, { index: snapshot.index, rot })
    if (log === 'restart') {
      installing(snapshot)
      wal.restart(snapshot)
    }
    assert(state.appliedIndex === snapshot.index, 'the state is the snapshot')
    const bytes = present(state.membershipBytes, 'a snapshot holds a membership')
    assert(bytes.length === membership.length, 'it is the one that was offered')
    return true
  }

  installPlace({ snapshot }: StateOffer): void {
    const { states, id, wal, installing } = this.#host
    states.install(id, { index: snapshot.index, rot: null })
    installing(snapshot)
    wal.restart(snapshot)
  }
}

/** Rows that do not fit their hash are found by looking; the rest only by comparing. */
function findingOf(rot: Rot | null): string | null {
  return rot === 'rows' ? 'rotten rows' : null
}
