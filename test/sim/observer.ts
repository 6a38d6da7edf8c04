/** What the invariants are told, and what they may look at. */
import type { Entry, EntryId, LogIndex, LogWrite, Message, NodeId } from '../../src/raft/mod.ts'
import type { Committed, History } from './oracle/history.ts'
import type { SimNode } from './node.ts'
import type { Plan } from './plan.ts'
import type { Sometimes } from './sometimes/situations.ts'
import type { World } from './world.ts'

export interface Scene {
  readonly world: World
  readonly history: History
  readonly nodes: readonly SimNode[]
  readonly plan: Plan
  readonly electionMinMs: number
  readonly sometimes: Sometimes
  /** Up to where the database of a node is durable. */
  durableState(id: NodeId): LogIndex
}

/** One property. Its file states it, and says where it comes from. */
export interface Invariant {
  /** A process has read its disk and is about to begin. */
  started?(node: SimNode): void
  /** Its disk is lost, and all that it held. */
  wiped?(node: SimNode): void
  /** A write is about to be handed to the log; the view does not hold it yet. */
  writing?(node: SimNode, write: LogWrite): void
  /** The process is about to be thrown away. */
  died?(node: SimNode): void
  /** A write that the log reports durable; the view does not know it yet. */
  persisted?(node: SimNode, write: LogWrite): void
  /** The log of the node starts after that entry now: what was before it is gone. */
  compacted?(node: SimNode, start: EntryId): void
  /** The log of the node is about to start anew after entry `last`, which a snapshot holds. */
  installing?(node: SimNode, last: LogIndex): void
  /** A message of the core has arrived, and was not looked at yet. */
  receiving?(node: SimNode, message: Message): void
  /** A message of the core leaves. */
  sending?(node: SimNode, message: Message): void
  /** A node has done something. */
  stepped?(node: SimNode): void
  /** A node has done something, and leads. */
  leading?(node: SimNode): void
  /** An entry is known to be committed for the first time. */
  committed?(committed: Committed): void
  /** The state machine of a node is about to apply these. */
  applying?(node: SimNode, entries: readonly Entry[]): void
}

type Hook = keyof Invariant

export class Observer {
  readonly #started: Invariant[]
  readonly #died: Invariant[]
  readonly #wiped: Invariant[]
  readonly #installing: Invariant[]
  readonly #persisted: Invariant[]
  readonly #compacted: Invariant[]
  readonly #writing: Invariant[]
  readonly #receiving: Invariant[]
  readonly #sending: Invariant[]
  readonly #stepped: Invariant[]
  readonly #leading: Invariant[]
  readonly #committed: Invariant[]
  readonly #applying: Invariant[]

  constructor(invariants: readonly Invariant[]) {
    const having = (hook: Hook): Invariant[] =>
      invariants.filter((invariant) => invariant[hook] !== undefined)
    this.#started = having('started')
    this.#died = having('died')
    this.#wiped = having('wiped')
    this.#installing = having('installing')
    this.#persisted = having('persisted')
    this.#compacted = having('compacted')
    this.#writing = having('writing')
    this.#receiving = having('receiving')
    this.#sending = having('sending')
    this.#stepped = having('stepped')
    this.#leading = having('leading')
    this.#committed = having('committed')
    this.#applying = having('applying')
  }

  started(node: SimNode): void {
    for (const invariant of this.#started) invariant.started?.(node)
  }

  died(node: SimNode): void {
    for (const invariant of this.#died) invariant.died?.(node)
  }

  persisted(node: SimNode, write: LogWrite): void {
    for (const invariant of this.#persisted) invariant.persisted?.(node, write)
    node.view.persisted(write.write)
  }

  compacted(node: SimNode, start: EntryId): void {
    for (const invariant of this.#compacted) invariant.compacted?.(node, start)
  }

  installing(node: SimNode, last: LogIndex): void {
    for (const invariant of this.#installing) invariant.installing?.(node, last)
  }

  wiped(node: SimNode): void {
    for (const invariant of this.#wiped) invariant.wiped?.(node)
  }

  receiving(node: SimNode, message: Message): void {
    for (const invariant of this.#receiving) invariant.receiving?.(node, message)
  }

  writing(node: SimNode, write: LogWrite): void {
    for (const invariant of this.#writing) invariant.writing?.(node, write)
    node.view.wrote(write)
  }

  sending(node: SimNode, message: Message): void {
    for (const invariant of this.#sending) invariant.sending?.(node, message)
  }

  stepped(node: SimNode): void {
    for (const invariant of this.#stepped) invariant.stepped?.(node)
    if (node.raft.role !== 'leader') return
    for (const invariant of this.#leading) invariant.leading?.(node)
  }

  committed(committed: Committed): void {
    for (const invariant of this.#committed) invariant.committed?.(committed)
  }

  applying(node: SimNode, entries: readonly Entry[]): void {
    for (const invariant of this.#applying) invariant.applying?.(node, entries)
  }
}
