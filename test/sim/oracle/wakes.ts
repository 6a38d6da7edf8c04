/**
 * A long poll ends as soon as what it waits for has changed in the applied state of its node, at
 * the end of its time, and for no other reason (DESIGN §6, "Waits").
 */
import type { Failure } from '../../../src/http/registry.ts'
import type { WaitTarget } from '../../../src/http/registry.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

export interface Wait {
  readonly node: SimNode
  readonly boot: number
  readonly target: WaitTarget
  readonly since: number
  readonly waitMs: number
  /** Where the topic is not all that counts: when what is waited for changed last. */
  readonly changedAt: ((revision: number) => number) | null
  /** In true time: that a machine was suspended is no reason to wait longer. */
  readonly begunMs: number
  /** Whether `since` was ahead of the node: then the leader is asked first. */
  readonly ahead: boolean
  /** Until when, on the clock of the node. */
  readonly asksUntilMs: number
  /** The event in which it should have ended. */
  dueEvent: number
  /** The revision at which it was last looked at: what is so there never changes. */
  seenAt: number
}

/** How long a wait that is ahead of its node may ask the leader before it is like any other. */
const CATCH_UP_MS = 1_000
/** A timer is late by its granularity. */
const LATE_MS = 2

export class Wakes implements Invariant {
  readonly #scene: Scene
  readonly #drift: number
  readonly #open = new Set<Wait>()

  constructor(scene: Scene, clockDrift: number) {
    this.#scene = scene
    this.#drift = clockDrift
  }

  begun(
    node: SimNode,
    target: WaitTarget,
    {
      since,
      waitMs,
      changedAt = null,
    }: {
      readonly since: number
      readonly waitMs: number
      readonly changedAt?: ((revision: number) => number) | null
    },
  ): Wait {
    const wait = {
      node,
      boot: node.boot,
      target,
      since,
      waitMs,
      changedAt,
      begunMs: this.#scene.world.nowMs,
      ahead: since > node.state.revision,
      asksUntilMs: this.#monoMs(node) + this.#asksMs(waitMs),
      dueEvent: Infinity,
      seenAt: -1,
    }
    this.#open.add(wait)
    return wait
  }

  ended(wait: Wait, failure: Failure | null): void {
    if (!this.#open.delete(wait) || failure?.failure === 'fenced') return
    if (!wait.node.isUp || wait.boot !== wait.node.boot) return
    const { sometimes, world } = this.#scene
    const changed = this.#hasChanged(wait)
    const passedMs = world.nowMs - wait.begunMs
    // Its clock may have changed its rate after the timer was set.
    const isOver = passedMs >= wait.waitMs * (1 - 2 * this.#drift) - 1
    sometimes.met(changed ? 'a wait was woken' : 'a wait ran out')
    insist(
      changed || isOver || wait.ahead,
      'a wait ends for a reason',
      () => `${describe(wait)} ended after ${passedMs} ms, and nothing had changed`,
    )
  }

  /** One that is due ends within the event in which it became so. */
  stepped(node: SimNode): void {
    for (const wait of this.#open) {
      if (wait.node !== node) continue
      if (wait.boot !== node.boot) this.#open.delete(wait)
      else this.#check(wait)
    }
  }

  #check(wait: Wait): void {
    const { events } = this.#scene.world
    if (wait.ahead && this.#monoMs(wait.node) < wait.asksUntilMs) return
    const { revision } = wait.node.state
    if (wait.dueEvent === Infinity && wait.seenAt !== revision) {
      wait.seenAt = revision
      if (this.#hasChanged(wait)) wait.dueEvent = events
    }
    insist(
      events <= wait.dueEvent,
      'a wake is never missed',
      () => `${describe(wait)} sleeps on at ${wait.node.state.revision}`,
    )
  }

  /** With a deadline of its own, whoever shares its question; the clock may change its rate meanwhile. */
  #asksMs(waitMs: number): number {
    return Math.min(waitMs, CATCH_UP_MS) * (1 + 2 * this.#drift) + LATE_MS
  }

  #monoMs(node: SimNode): number {
    return node.clock.mono(this.#scene.world.nowMs)
  }

  #hasChanged({ node, target, since, changedAt }: Wait): boolean {
    if (changedAt !== null) return changedAt(node.state.revision) > since
    const { topics } = this.#scene.history.model
    const { ns, topic, prefix } = target
    const { revision } = node.state
    const changed = prefix
      ? topics.changedAtPrefix(ns, topic, revision)
      : topics.changedAt(ns, topic, revision)
    return changed > since
  }
}

function describe({ node, target, since }: Wait): string {
  return `a wait on ${node.id} for ${target.topic}${target.prefix ? '*' : ''} since ${since}`
}
