/**
 * Who waits on this node for which configuration, and what it holds: soft state, gone with the
 * process. A listener is a long poll or a watch stream.
 *
 * What it holds is what it says itself, never what it was sent and may not have received: a long
 * poll's `since` and `If-None-Match`, or how far a stream has come. So between an answer and the
 * next poll it still counts, for {@link GRACE_MS}, with what it held before.
 *
 * A caller with the label `instance` is known by that name on every node. Others have a made-up
 * name; a new poll from the same address with the same labels takes over the name of one that is
 * between two polls, so the number is right though the names mean nothing.
 */
import { assert } from '../../lib/assert.ts'
import { IDENTITY_LABEL, isStagedFor } from '../../state/mod.ts'
import type { Labels, StageMeta, StateReader } from '../../state/mod.ts'

/** How long a caller may take between two polls and still counts. */
export const GRACE_MS = 15_000
/** Of this node. Past it a newcomer is not noted, and answers say that they are not complete. */
const LISTENERS_MAX = 200_000

export interface ListenTarget {
  readonly ns: string
  /** A key, or what keys begin with. */
  readonly key: string
  readonly prefix: boolean
}

export interface ListenerSource {
  readonly labels: Labels
  /** Of its connection; null where nobody knows. */
  readonly address: string | null
  readonly via: 'poll' | 'watch'
}

/** A version, and the stage that stands in its place. */
export interface Held {
  /** 0: it knows that there is none. */
  readonly version: number
  readonly stage: string | null
}

export interface ListenerView {
  /** The label `instance`, or a made-up name. */
  readonly name: string
  readonly named: boolean
  readonly via: 'poll' | 'watch'
  /** Whether it waits just now. */
  readonly connected: boolean
  /** Since it last waited; 0 while it does. */
  readonly idleMs: number
  /** Null: something older than what is current here, or than what this node was told. */
  readonly held: Held | null
}

interface Listener extends ListenTarget {
  readonly name: string
  readonly named: boolean
  /** As its last poll said. */
  source: ListenerSource
  open: number
  lastMs: number
  /** It has seen everything of its target up to this revision. */
  through: number
  /** The same of an open stream, as it is now. */
  reached: (() => number) | null
  /** The newest it is known to have held. */
  held: Held | null
}

/** The key as it is when somebody asks. */
interface Now {
  readonly state: StateReader
  readonly ns: string
  readonly key: string
  readonly version: number
  readonly stages: readonly StageMeta[]
}

/** One poll or stream of a listener. */
export interface Listening {
  /** Once. */
  end(): void
}

const NOT_NOTED: Listening = { end: () => {} }

export class Listeners {
  readonly #nowMs: () => number
  /** By namespace and key, then by name. */
  readonly #keys = new Map<string, Map<string, Listener>>()
  readonly #prefixes = new Map<string, Map<string, Listener>>()
  /** Those without a name that are between two polls, by what a next poll would look like. */
  readonly #resting = new Map<string, Set<Listener>>()
  #size = 0
  #nextName = 1
  #sweptMs = 0
  #missedMs: number | null = null

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#size
  }

  /** Whether some who listen may not be noted here. */
  get isOverflown(): boolean {
    return this.#missedMs !== null && this.#nowMs() - this.#missedMs <= GRACE_MS
  }

  /**
   * `through`: the revision up to which the caller has seen all; `held`: what it named; `reached`: up
   * to where a stream was sent all.
   */
  begin(
    target: ListenTarget,
    source: ListenerSource,
    {
      through,
      held,
      reached = null,
    }: {
      readonly through: number
      readonly held: Held | null
      readonly reached?: (() => number) | null
    },
  ): Listening {
    this.#sweep()
    const listener = this.#listener(target, source)
    if (listener === null) return NOT_NOTED
    listener.open += 1
    listener.source = source
    listener.through = through
    listener.reached = reached
    listener.held = held ?? (listener.named ? listener.held : null)
    let isOpen = true
    return {
      end: () => {
        assert(isOpen, 'a listener ends once')
        isOpen = false
        listener.open -= 1
        if (listener.reached === reached && reached !== null) {
          listener.through = reached()
          listener.reached = null
        }
        listener.lastMs = this.#nowMs()
        if (listener.open === 0 && !listener.named) this.#rest(listener)
      },
    }
  }

  #rest(listener: Listener): void {
    const look = lookOf(listener, listener.source)
    const resting = this.#resting.get(look)
    if (resting === undefined) this.#resting.set(look, new Set([listener]))
    else resting.add(listener)
  }

  /** One without a name that may well be this caller; it rests no more. */
  #rested(target: ListenTarget, source: ListenerSource): Listener | null {
    const [listener = null] = this.#resting.get(lookOf(target, source)) ?? []
    if (listener !== null) this.#restsNoMore(listener)
    return listener
  }

  #restsNoMore(listener: Listener): void {
    const look = lookOf(listener, listener.source)
    const resting = this.#resting.get(look)
    if (resting?.delete(listener) === true && resting.size === 0) this.#resting.delete(look)
  }

  #listener(target: ListenTarget, source: ListenerSource): Listener | null {
    const map = target.prefix ? this.#prefixes : this.#keys
    const id = idOf(target)
    const known = map.get(id) ?? new Map<string, Listener>()
    const instance = source.labels.get(IDENTITY_LABEL)
    const found =
      instance === undefined ? this.#rested(target, source) : (known.get(`=${instance}`) ?? null)
    if (found !== null) return found
    if (this.#size >= LISTENERS_MAX) {
      this.#missedMs = this.#nowMs()
      return null
    }
    const name = instance ?? `anonymous-${this.#nextName++}`
    const named = instance !== undefined
    const fresh = { open: 0, lastMs: this.#nowMs(), through: 0, reached: null, held: null }
    const listener: Listener = { ...target, name, named, source, ...fresh }
    known.set(named ? `=${name}` : name, listener)
    map.set(id, known)
    this.#size += 1
    return listener
  }

  /** Those who wait for that key. */
  *of(ns: string, key: string, state: StateReader): Generator<ListenerView> {
    this.#sweep()
    const now: Now = {
      state,
      ns,
      key,
      version: state.config(ns, key)?.version ?? 0,
      stages: state.stages.of(ns, key),
    }
    for (const listener of this.#keys.get(idOf({ ns, key }))?.values() ?? []) {
      yield this.#view(listener, now)
    }
    for (const listeners of this.#prefixes.values()) {
      for (const listener of listeners.values()) {
        if (listener.ns !== ns || !key.startsWith(listener.key)) break // All have the same prefix.
        yield this.#view(listener, now)
      }
    }
  }

  #view(listener: Listener, now: Now): ListenerView {
    const { name, named, source, open, lastMs } = listener
    const idleMs = open > 0 ? 0 : Math.max(0, this.#nowMs() - lastMs)
    const held = heldBy(listener, now)
    if (!listener.prefix) listener.held = held
    return { name, named, via: source.via, connected: open > 0, idleMs, held }
  }

  /** Drops who did not come back, now and then. */
  #sweep(): void {
    const nowMs = this.#nowMs()
    if (nowMs - this.#sweptMs < GRACE_MS / 3) return
    this.#sweptMs = nowMs
    for (const map of [this.#keys, this.#prefixes]) {
      for (const [id, listeners] of map) {
        for (const [name, listener] of listeners) {
          if (listener.open > 0 || nowMs - listener.lastMs <= GRACE_MS) continue
          listeners.delete(name)
          this.#restsNoMore(listener)
          this.#size -= 1
        }
        if (listeners.size === 0) map.delete(id)
      }
    }
  }
}

function idOf({ ns, key }: Pick<ListenTarget, 'ns' | 'key'>): string {
  return `${ns}/${key}` // A namespace holds no slash.
}

/** What the polls of one caller without a name have in common. */
function lookOf(target: ListenTarget, { address, labels, via }: ListenerSource): string {
  const pairs = Array.from(labels, ([label, value]) => `${label}=${value}`).sort()
  return [idOf(target), target.prefix, via, address, ...pairs].join('\n')
}

/** Where nothing has changed since the caller's revision, it holds what is current. */
function heldBy(listener: Listener, now: Now): Held | null {
  const { state, ns, key, version, stages } = now
  const { source, held, prefix } = listener
  const through = listener.reached?.() ?? listener.through
  // A list shows no staged values; a stream tells them.
  const isList = prefix && source.via === 'poll'
  const labels = isList ? new Map<string, string>() : source.labels
  const changed = state.stages.revisionFor(ns, key, labels)
  if (through < changed || state.revision < through) return prefix ? null : held
  const seen = stages.find(({ stage, rule }) => isStagedFor(rule, { ns, key, stage }, labels))
  return { version, stage: seen?.stage ?? null }
}
