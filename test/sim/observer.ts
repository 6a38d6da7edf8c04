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
type Hooks<H extends Hook> = readonly NonNullable<Invariant[H]>[]

/** Tells all that have something to do there, in their order. */
export class Observer {
  readonly #started: Hooks<'started'>
  readonly #died: Hooks<'died'>
  readonly #wiped: Hooks<'wiped'>
  readonly #installing: Hooks<'installing'>
  readonly #persisted: Hooks<'persisted'>
  readonly #compacted: Hooks<'compacted'>
  readonly #writing: Hooks<'writing'>
  readonly #receiving: Hooks<'receiving'>
  readonly #sending: Hooks<'sending'>
  readonly #stepped: Hooks<'stepped'>
  readonly #leading: Hooks<'leading'>
  readonly #committed: Hooks<'committed'>
  readonly #applying: Hooks<'applying'>

  constructor(invariants: readonly Invariant[]) {
    // Bound once: some of them are called after every step.
    const having = <H extends Hook>(hook: H): Hooks<H> =>
      invariants.flatMap((invariant) => {
        const run = invariant[hook] as ((...args: never[]) => void) | undefined
        return run === undefined ? [] : [run.bind(invariant) as NonNullable<Invariant[H]>]
      })
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
    for (const started of this.#started) started(node)
  }

  died(node: SimNode): void {
    for (const died of this.#died) died(node)
  }

  persisted(node: SimNode, write: LogWrite): void {
    for (const persisted of this.#persisted) persisted(node, write)
    node.view.persisted(write.write)
  }

  compacted(node: SimNode, start: EntryId): void {
    for (const compacted of this.#compacted) compacted(node, start)
  }

  installing(node: SimNode, last: LogIndex): void {
    for (const installing of this.#installing) installing(node, last)
  }

  wiped(node: SimNode): void {
    for (const wiped of this.#wiped) wiped(node)
  }

  receiving(node: SimNode, message: Message): void {
    for (const receiving of this.#receiving) receiving(node, message)
  }

  writing(node: SimNode, write: LogWrite): void {
    for (const writing of this.#writing) writing(node, write)
    node.view.wrote(write)
  }

  sending(node: SimNode, message: Message): void {
    for (const sending of this.#sending) sending(node, message)
  }

  stepped(node: SimNode): void {
    for (const stepped of this.#stepped) stepped(node)
    if (node.raft.role !== 'leader') return
    for (const leading of this.#leading) leading(node)
  }

  committed(committed: Committed): void {
    for (const told of this.#committed) told(committed)
  }

  applying(node: SimNode, entries: readonly Entry[]): void {
    for (const applying of this.#applying) applying(node, entries)
  }
}
