/**
 * What lies between the machines: one path for each direction, each with faults of its own. A
 * datagram may be lost, doubled or overtaken; a channel keeps order, as TCP does, and stalls
 * instead while its path is cut.
 */
import type { Chance } from './chance.ts'
import type { NetworkPlan } from './plan.ts'
import type { World } from './world.ts'

/** How long TCP waits before it sends again what was lost. */
const RESEND_MS = 40

export class Network {
  readonly #world: World
  readonly #chance: Chance
  readonly #plan: NetworkPlan
  readonly #cut: boolean[][]
  readonly #clogUntilMs: number[][]
  /** After the heal nothing is lost any more. */
  healed = false
  readonly counts = { sent: 0, lost: 0, duplicated: 0 }

  constructor(world: World, chance: Chance, plan: NetworkPlan, size: number) {
    this.#world = world
    this.#chance = chance
    this.#plan = plan
    this.#cut = square(size, false)
    this.#clogUntilMs = square(size, 0)
  }

  isCut(from: number, to: number): boolean {
    return (this.#cut[from] as boolean[])[to] as boolean
  }

  setCut(from: number, to: number, cut: boolean): void {
    ;(this.#cut[from] as boolean[])[to] = cut
  }

  /** What is on its way, and what follows, waits until then. */
  clog(from: number, to: number, ms: number): void {
    ;(this.#clogUntilMs[from] as number[])[to] = this.#world.nowMs + ms
  }

  /** Nothing is cut, clogged or lost from now on. */
  heal(): void {
    this.healed = true
    for (const row of this.#cut) row.fill(false)
    for (const row of this.#clogUntilMs) row.fill(0)
  }

  /** One message, on its own. */
  datagram(from: number, to: number, deliver: () => void, lateMs = 0): void {
    const { lossPermille, duplicatePermille, reorderPermille } = this.#plan
    this.counts.sent += 1
    if (this.isCut(from, to) || this.#happens(lossPermille)) {
      this.counts.lost += 1
      return
    }
    let delayMs = this.delayMs(from, to) + lateMs
    if (this.#happens(reorderPermille)) delayMs += this.#chance.ms(0, this.#plan.delayMaxMs * 8)
    this.#world.after(delayMs, deliver)
    if (!this.#happens(duplicatePermille)) return
    this.counts.duplicated += 1
    this.#world.after(delayMs + this.#chance.ms(0, this.#plan.delayMaxMs * 8), deliver)
  }

  channel(from: number, to: number): Channel {
    return new Channel(this.#world, this, from, to)
  }

  /** By how much more an answer to a candidate is late. */
  voteLatenessMs(electionMaxMs: number): number {
    if (!this.#happens(this.#plan.lateVotePermille)) return 0
    return this.#chance.ms(0, electionMaxMs * 3)
  }

  isLost(): boolean {
    return this.#happens(this.#plan.lossPermille)
  }

  delayMs(from: number, to: number): number {
    const { delayMinMs, delayMaxMs, slowPermille } = this.#plan
    const clogMs = ((this.#clogUntilMs[from] as number[])[to] as number) - this.#world.nowMs
    const slow = this.#happens(slowPermille) ? 20 : 1
    return Math.max(0, clogMs) + this.#chance.ms(delayMinMs, delayMaxMs) * slow
  }

  #happens(permille: number): boolean {
    return !this.healed && this.#chance.permille(permille)
  }
}

/** One direction of a connection: in order, each once, or not at all once it is closed. */
export class Channel {
  readonly #world: World
  readonly #network: Network
  readonly #from: number
  readonly #to: number
  #closed = false
  readonly #queue: (() => void)[] = []

  constructor(world: World, network: Network, from: number, to: number) {
    this.#world = world
    this.#network = network
    this.#from = from
    this.#to = to
  }

  /** Sent and not delivered. */
  get queued(): number {
    return this.#queue.length
  }

  send(deliver: () => void): void {
    if (this.#closed) return
    this.#network.counts.sent += 1
    this.#queue.push(deliver)
    if (this.#queue.length === 1) this.#plan()
  }

  /** What was sent is lost. */
  close(): void {
    this.#closed = true
    this.#queue.length = 0
  }

  #plan(): void {
    const resent = this.#network.isLost() ? RESEND_MS : 0
    const delayMs = this.#network.delayMs(this.#from, this.#to) + resent
    this.#world.after(delayMs, () => this.#arrive())
  }

  #arrive(): void {
    if (this.#closed) return
    if (this.#network.isCut(this.#from, this.#to)) {
      this.#world.after(RESEND_MS, () => this.#arrive())
      return
    }
    // All that was sent meanwhile arrives along with it, as a stream's bytes do.
    const deliveries = this.#queue.splice(0)
    for (const deliver of deliveries) deliver()
  }
}

function square<T>(size: number, value: T): T[][] {
  return Array.from({ length: size }, () => Array.from({ length: size }, () => value))
}
