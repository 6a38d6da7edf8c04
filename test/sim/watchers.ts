/**
 * Readers of the change feed: each follows a few topics over one connection after another, to any
 * node, fast or slowly, and resumes from the last id it was given.
 */
import type { CutCode, Watch, WatchEncoder, WatchSink, WatchTopic } from '../../src/replica/mod.ts'
import { NO_NAMESPACE } from '../../src/state/mod.ts'
import type { Chance } from './chance.ts'
import type { SimNode } from './node.ts'
import { WatchOracle, type Told } from './oracle/watches.ts'
import { insist } from './violation.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
/** Chunks that a socket holds before it takes no more. */
const WINDOW = 4

const ENCODER: WatchEncoder = {
  slot: 0,
  values: false,
  event: ({ revision, n, topic, kind }, isLast) =>
    line({ type: 'event', revision, n, topic, kind, isLast }),
  sync: (revision) => line({ type: 'sync', revision }),
  progress: (revision) => line({ type: 'progress', revision }),
  cut: (code, revision) => line({ type: 'cut', code, revision }),
}
const WITH_VALUES: WatchEncoder = { ...ENCODER, slot: 1, values: true }

function line(told: Told): string {
  return `${JSON.stringify(told)}\n`
}

const decoder = new TextDecoder()

function lines(bytes: Uint8Array): Told[] {
  const texts = decoder.decode(bytes).split('\n')
  return texts.slice(0, -1).map((text) => JSON.parse(text) as Told)
}

export class Watchers {
  readonly #bench: Bench
  readonly #workload: Workload
  readonly #oracles: WatchOracle[] = []

  /** `bench.chance`: of their own, so that they change nobody else's. */
  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  /** They go on until the run ends. */
  start(): void {
    const { plan, world } = this.#bench
    for (let i = 1; i <= plan.watchers; i++) {
      const topics = this.#topics()
      const oracle = new WatchOracle(`w${i}`, topics, this.#bench)
      this.#oracles.push(oracle)
      this.#follow(oracle, topics).catch((error: unknown) => world.fail(error))
    }
  }

  get areCaughtUp(): boolean {
    return this.#oracles.every((oracle) => oracle.isCaughtUp)
  }

  describe(): string {
    const told = this.#oracles.map(({ name, id, isCaughtUp }) => `${name}@${id}:${isCaughtUp}`)
    return `watchers [${told.join(' ')}]`
  }

  #topics(): WatchTopic[] {
    const { chance, plan } = this.#bench
    const exact = (topic: string): WatchTopic => ({ ns: NS, topic, prefix: false })
    const any = [
      exact('services'),
      exact('services/web'),
      exact(`config/k${chance.int(1, plan.keys)}`),
      { ns: NS, topic: 'stages/s', prefix: true },
      { ns: NS, topic: 'config/k', prefix: true },
      { ns: NS, topic: 'config/', prefix: true },
      { ns: NS, topic: 'config/held-', prefix: true },
      { ns: NO_NAMESPACE, topic: 'members', prefix: false },
    ]
    return chance.shuffled(any).slice(0, chance.int(1, 4))
  }

  async #follow(oracle: WatchOracle, topics: readonly WatchTopic[]): Promise<void> {
    const { world, chance, sometimes } = this.#bench
    const tried = new Set<string>()
    let silent: SimNode | null = null
    for (;;) {
      await world.sleep(chance.ms(0, 200))
      const node = this.#other(silent)
      const connection = new Connection(this.#bench, oracle, node)
      const encoder = chance.oneIn(4) ? WITH_VALUES : ENCODER
      const since = this.#since(oracle)
      await this.#workload.ask(node, this.#bench.plan.timeoutMs, (gateway) =>
        connection.open(gateway, { topics, since, encoder, sees: null }),
      )
      silent = connection.isOpen ? null : node
      if (!connection.isOpen) {
        connection.close()
        continue
      }
      if (since !== null && tried.size > 0 && !tried.has(node.id)) {
        sometimes.met('a watch went on at another node')
      }
      tried.clear()
      tried.add(node.id)
      await connection.read(() => this.#workload.isStopped)
    }
  }

  /** Whoever had no answer does not ask the same node at once: it may be deaf for good. */
  #other(silent: SimNode | null): SimNode {
    const { chance, nodes } = this.#bench
    return chance.pick(nodes.length > 1 ? nodes.filter((node) => node !== silent) : nodes)
  }

  /** Where it was, now and then what never was, or from now on. */
  #since({ id }: WatchOracle): number | null {
    const { chance, history } = this.#bench
    if (id === null) return chance.oneIn(2) ? null : chance.int(0, history.last)
    return chance.oneIn(40) ? history.last + chance.int(1, 50) : id
  }
}

/** A socket with a reader at its end. */
class Connection implements WatchSink {
  readonly #bench: Bench
  readonly #oracle: WatchOracle
  readonly #node: SimNode
  readonly #chance: Chance
  #boot = 0
  #watch: Watch | null = null
  /** Sent, and not read yet. */
  readonly #held: Uint8Array[] = []
  #isBlocked = false
  /** Neither end has more to say. */
  #isOver = false
  /** The node has said its last words. */
  #isEnded = false
  #wake: (() => void) | null = null

  constructor(bench: Bench, oracle: WatchOracle, node: SimNode) {
    this.#bench = bench
    this.#oracle = oracle
    this.#node = node
    this.#chance = bench.chance
  }

  get isOpen(): boolean {
    return this.#watch !== null
  }

  /** Within the process of the node. */
  async open(
    gateway: SimNode['gateway'],
    options: Omit<Parameters<SimNode['gateway']['watch']>[0], 'timeoutMs'>,
  ): Promise<void> {
    const { timeoutMs } = this.#bench.plan
    this.#boot = this.#node.boot
    const now = this.#node.state.revision
    const { last } = this.#bench.history
    const { watches } = this.#node.replica
    const before = watches.size
    const opening = gateway.watch({ ...options, timeoutMs }, this)
    // Where it is open by now, more may be applied before it is awaited: a node that was paused does
    // all that it missed in one go.
    const kept = watches.size > before ? this.#node.state.oldestRevision : null
    const opened = await opening
    const { since } = options
    if (opened.ok) {
      this.#watch = opened.watch
      if (this.#isOver) return opened.watch.close() // Its reader had no patience.
      this.#oracle.begun(this.#node, since ?? now, kept ?? this.#node.state.oldestRevision)
      this.#node.onDeath.add(this.#died)
      return
    }
    const isCompacted = opened.failure === 'revision_compacted'
    if (isCompacted && since !== null) this.#oracle.refused(this.#node, since, last)
  }

  readonly #died = (): void => {
    this.#isOver = true
    this.#held.length = 0 // What was on its way is lost.
    this.#wake?.()
  }

  write(bytes: Uint8Array): boolean {
    this.#send(bytes)
    this.#isBlocked = this.#held.length >= WINDOW
    return !this.#isBlocked
  }

  #send(bytes: Uint8Array): void {
    insist(!this.#isEnded, 'nothing is written after the end of a watch', () => this.#oracle.name)
    if (this.#isOver) return // The node has not heard yet that its reader is gone.
    const told = lines(bytes)
    this.#oracle.chunk(told)
    for (const each of told) {
      if (each.type !== 'event') this.#oracle.bookmarked(this.#node, each.revision)
    }
    this.#held.push(bytes)
    this.#wake?.()
  }

  end(bytes: Uint8Array): void {
    const [cut] = lines(bytes) as [Told & { readonly code: CutCode }]
    // A node that goes on in this moment runs what is due before it hears who reads by now.
    const isDeaf = this.#node.resumedMs === this.#bench.world.nowMs
    this.#oracle.cut(this.#node, cut.code, { isBlocked: this.#isBlocked || isDeaf })
    this.#send(bytes)
    this.#isEnded = true
    this.#isOver = true
  }

  /** Until either end has had enough. `hurries`: it is to come to its end. */
  async read(hurries: () => boolean): Promise<void> {
    const { world } = this.#bench
    const lastsMs = this.#chance.pick([300, 2_000, 10_000])
    const begunMs = world.nowMs
    const untilMs = (): number => begunMs + (hurries() ? 300 : lastsMs)
    const paceMs = this.#chance.pick([0, 1, 1, 20, 400, 2_000])
    while (world.nowMs < untilMs()) {
      const bytes = this.#held.shift()
      if (bytes === undefined) {
        if (this.#isOver) break
        await this.#more(Math.min(untilMs(), world.nowMs + 500))
        continue
      }
      for (const told of lines(bytes)) this.#oracle.told(told)
      if (paceMs > 0 && !hurries()) await world.sleep(this.#chance.ms(0, paceMs * 2))
      if (this.#isBlocked && this.#held.length === 0) this.#resume()
    }
    this.close()
  }

  #more(untilMs: number): Promise<void> {
    const { world } = this.#bench
    return new Promise((resolve) => {
      const end = (): void => {
        this.#wake = null
        cancel()
        resolve()
      }
      const cancel = world.after(untilMs - world.nowMs, end)
      this.#wake = end
    })
  }

  #resume(): void {
    this.#isBlocked = false
    this.#within((watch) => watch.resume())
  }

  /** The reader goes: the node hears of it a little later. */
  close(): void {
    this.#isOver = true
    this.#node.onDeath.delete(this.#died)
    this.#within((watch) => watch.close())
  }

  #within(run: (watch: Watch) => void): void {
    const watch = this.#watch
    const boot = this.#boot
    if (watch === null) return
    this.#node.arrive(() => {
      if (this.#node.boot === boot) run(watch)
    })
  }
}
