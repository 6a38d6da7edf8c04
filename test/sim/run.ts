/**
 * One seeded run of production replicas in a simulated world. While anything may fail, nothing
 * wrong may happen (safety). Once faults stop, the cluster must get back to work in time, and come
 * to rest in one state (liveness).
 */
import { present } from '../../src/lib/assert.ts'
import { decodeMembership, type LogIndex, type NodeId } from '../../src/raft/mod.ts'
import { CLUSTER_VERSION_MAX } from '../../src/state/mod.ts'
import { Casualties } from './casualties.ts'
import { Chance } from './chance.ts'
import { Churn } from './churn.ts'
import { Decay } from './decay.ts'
import { allInvariants } from './invariants/mod.ts'
import { haveMajority } from './invariants/quorums.ts'
import { Nemesis } from './nemesis.ts'
import { Network } from './network.ts'
import { SimNode } from './node.ts'
import { Observer, type Scene } from './observer.ts'
import { History } from './oracle/history.ts'
import { KeyHistories } from './oracle/key-histories.ts'
import { Promises } from './oracle/promises.ts'
import { Repeats } from './oracle/repeats.ts'
import { LockAnswers } from './oracle/lock-answers.ts'
import { Trims } from './oracle/trims.ts'
import { NeverEarly } from './oracle/ttl.ts'
import { Wakes } from './oracle/wakes.ts'
import { planOf, timesOf, type Plan } from './plan.ts'
import { Pressure } from './pressure.ts'
import { allSituations, Sometimes } from './sometimes/mod.ts'
import { SharedStates, SqliteStates, type StateOptions } from './state-source.ts'
import type { Surroundings } from './surroundings.ts'
import { insist, Violation } from './violation.ts'
import { Watchers } from './watchers.ts'
import { Workload } from './workload.ts'
import { World } from './world.ts'

export interface Result {
  readonly seed: number
  readonly violation: {
    readonly rule: string
    readonly detail: string
    readonly atMs: number
  } | null
  readonly traceHash: string
  readonly simulatedMs: number
  readonly events: number
  readonly counts: ReadonlyMap<string, number>
}

/** Time from the start to the first fault where the cluster is founded in peace. */
const PEACE_MS = 1_500
/** After the heal a write commits within so many election timeouts (RELIABILITY A1). */
const ELECTIONS_TO_WORK = 10

export function run(seed: number, print: ((line: string) => void) | null = null): Result {
  return new Run(planOf(seed), print).result()
}

class Run {
  readonly #plan: Plan
  readonly #world: World
  readonly #network: Network
  readonly #nodes: SimNode[] = []
  /** Those that are healed. */
  #core: readonly SimNode[] = []
  readonly #chance: Chance
  readonly #history: History
  readonly #promises: Promises
  readonly #keys = new KeyHistories()
  readonly #repeats: Repeats
  readonly #ttl: NeverEarly
  readonly #locks: LockAnswers
  readonly #observer: Observer
  readonly #states: SharedStates | SqliteStates
  readonly #nemesis: Nemesis
  readonly #churn: Churn
  readonly #decay: Decay
  readonly #casualties: Casualties
  readonly #workload: Workload
  readonly #watchers: Watchers
  readonly #sometimes = new Sometimes()
  #next = 0
  /** Whether nothing but what stays for good is left of leases, at that revision. */
  #leasesSeen = { at: -1, areOver: false }

  constructor(plan: Plan, print: ((line: string) => void) | null) {
    this.#plan = plan
    const world = (this.#world = new World(print))
    const chanceOf = (stream: number): Chance => new Chance(plan.seed, stream)
    print?.(JSON.stringify(plan))
    this.#chance = chanceOf(5)
    const nodes = this.#nodes
    const network = (this.#network = new Network(world, chanceOf(1), plan.network, plan.nodes))
    const history = (this.#history = new History(
      (committed) => this.#observer.committed(committed),
      plan.keyRules,
    ))
    const { clockDrift } = plan
    const { electionMinMs } = timesOf(plan, 0) // No node has less.
    const sometimes = this.#sometimes
    const durableState = (id: NodeId): LogIndex => this.#states.durableOf(id)
    const scene: Scene = { world, plan, history, nodes, electionMinMs, sometimes, durableState }
    this.#ttl = new NeverEarly(scene, clockDrift)
    const wakes = new Wakes(scene, clockDrift)
    this.#locks = new LockAnswers(scene)
    const oracles = [this.#ttl, wakes, this.#locks]
    const observers = [...allInvariants(scene), ...oracles, ...allSituations(scene)]
    this.#observer = new Observer(observers)
    this.#states = this.#openStates(chanceOf(2))
    const around: Surroundings = {
      world,
      plan,
      network,
      observer: this.#observer,
      states: this.#states,
      history,
      sometimes,
      founding: Array.from({ length: plan.nodes }, (_, at) => ({
        id: `n${at + 1}`,
        url: `http://n${at + 1}`,
      })),
      isHealed: () => network.healed,
      next: () => (this.#next += 1),
      node: (id) => this.#node(id),
    }
    for (let at = 0; at < plan.nodes; at++) nodes.push(new SimNode(around, at, chanceOf(10 + at)))
    const promises = (this.#promises = new Promises(history, sometimes, {
      get nowMs() {
        return world.nowMs
      },
      drift: plan.clockDrift,
    }))
    this.#churn = new Churn({ world, plan, chance: chanceOf(6), nodes })
    const changes = this.#churn.changesMembers
    this.#decay = new Decay({
      world,
      chance: chanceOf(8),
      nodes,
      states: this.#states,
      spoils: !changes,
    })
    const casualties = (this.#casualties = new Casualties({
      nodes,
      history,
      sometimes,
      // With a witness the only other copy may be on the disk that is lost; the only right one, too.
      changes: changes || plan.witnesses > 0 || this.#decay.isOn,
    }))
    this.#repeats = new Repeats({ history, promises, sometimes }, plan.keyRules)
    const trims = new Trims(history, plan.history.history)
    const told = {
      history,
      promises,
      wakes,
      sometimes,
      keys: this.#keys,
      ttl: this.#ttl,
      locks: this.#locks,
      repeats: this.#repeats,
      trims,
    }
    const bench = { world, plan, chance: chanceOf(4), nodes, ...told }
    this.#workload = new Workload({ ...bench, next: around.next })
    this.#watchers = new Watchers(
      { ...bench, chance: chanceOf(9), next: around.next },
      this.#workload,
    )
    const pressure = new Pressure(
      { ...bench, chance: chanceOf(7), next: around.next },
      this.#workload,
    )
    const harm = { world, plan, network, nodes, casualties, sometimes, pressure }
    this.#nemesis = new Nemesis({ ...harm, chance: chanceOf(3) })
  }

  #openStates(chance: Chance): SharedStates | SqliteStates {
    const options: StateOptions = {
      history: this.#history,
      chance,
      forgetful: this.#plan.forgetful,
      keyRules: this.#plan.keyRules,
      feedKept: this.#plan.feedKept,
      isWitness: (id) => this.#node(id).isWitness,
      committing: (id, entries) => {
        this.#node(id).mustKnow(entries)
        this.#observer.applying(this.#node(id), entries)
      },
    }
    return this.#plan.sqlite ? new SqliteStates(options) : new SharedStates(options)
  }

  #node(id: NodeId): SimNode {
    return present(
      this.#nodes.find((node) => node.id === id),
      'a node of this cluster',
    )
  }

  result(): Result {
    let violation: Result['violation'] = null
    try {
      this.#run()
    } catch (error) {
      const { rule, message } =
        error instanceof Violation
          ? error
          : new Violation('simulator', error instanceof Error ? (error.stack ?? '') : String(error))
      violation = { rule, detail: message, atMs: this.#world.nowMs }
    } finally {
      this.#states.close()
    }
    return {
      seed: this.#plan.seed,
      violation,
      traceHash: this.#world.trace.hash,
      simulatedMs: this.#world.nowMs,
      events: this.#world.events,
      counts: this.#counts(),
    }
  }

  #run(): void {
    const { safetyMs, roughStart } = this.#plan
    for (const node of this.#nodes)
      this.#world.after(roughStart ? node.at * 20 : 0, () => node.start())
    this.#nemesis.start(roughStart ? 0 : PEACE_MS)
    this.#churn.start(PEACE_MS)
    this.#decay.start(PEACE_MS)
    if (roughStart && this.#chance.oneIn(3))
      this.#world.after(0, () => this.#nemesis.strikeFounder())
    this.#workload.start()
    this.#watchers.start()
    this.#world.run(safetyMs)
    this.#heal()
    this.#churn.restore()
    if (this.#mustWork('probe') && this.#mustSurviveOne()) this.#mustRest()
    this.#promises.settle()
    this.#keys.settle(this.#history)
    this.#repeats.settle()
    this.#noteDisks()
  }

  /**
   * Faults end. In some seeds for a majority alone, the core: what is wrong with the others then
   * stays so for good, and must not matter.
   */
  #heal(): void {
    this.#nemesis.stop()
    this.#decay.stop()
    this.#network.heal()
    // A majority of all need not be one of the members of the moment.
    const size =
      // And who is fenced must not lead, so it must not be needed for that either.
      this.#chance.oneIn(2) ||
      this.#churn.changesMembers ||
      this.#decay.isOn ||
      !this.#casualties.areNone
        ? this.#nodes.length
        : Math.floor(this.#nodes.length / 2) + 1
    // What was written while data nodes were away may be on one of them alone: all come back.
    const shuffled = this.#chance
      .shuffled(this.#nodes)
      .sort((a, b) => Number(a.isWitness) - Number(b.isWitness))
    this.#core = shuffled.slice(0, Math.max(size, this.#plan.nodes - this.#plan.witnesses))
    this.#world.note('heal', this.#core.length, () => this.#core.map(({ id }) => id).join(' '))
    for (const node of this.#nodes) {
      // A sync that hangs would hang on: its machine is started anew.
      const hangs = node.diskStalledUntilMs > this.#world.nowMs
      node.disk.capacityBytes = Number.MAX_SAFE_INTEGER
      node.diskStalledUntilMs = 0
      node.disk.forgetFaults()
      node.upgrade()
      node.clock.setRate(this.#world.nowMs, node.drawRate())
      const isOld = node.clusterVersionMax < CLUSTER_VERSION_MAX
      if (hangs || node.isPaused || isOld) node.crash(false)
      if (!node.isUp) node.start()
    }
    for (const outsider of shuffled.slice(this.#core.length)) this.#ruin(outsider)
  }

  /** Down, cut off, deaf or mute for good: towards the core, and perhaps to its like. */
  #ruin(outsider: SimNode): void {
    const how = this.#chance.pick(['down', 'cut', 'deaf', 'deaf', 'mute'] as const)
    this.#world.note(`${outsider.id} is ${how} for good`)
    if (how === 'down') return outsider.crash(false)
    for (const { at } of this.#core) {
      if (how !== 'deaf') this.#network.setCut(outsider.at, at, true)
      if (how !== 'mute') this.#network.setCut(at, outsider.at, true)
    }
  }

  /** A write commits within ten election timeouts. False: it waits, as decision 0004 says it may. */
  #mustWork(key: string): boolean {
    const untilMs = this.#world.nowMs + ELECTIONS_TO_WORK * this.#plan.electionMaxMs
    // Committed, whether or not its client had the patience to hear of it.
    const isWritten = (): boolean => this.#history.model.configs.has(key)
    const write = async (): Promise<void> => {
      while (!isWritten() && this.#world.nowMs < untilMs) {
        const command = this.#workload.putCommand('probe', key, null)
        await this.#workload.write(this.#core[0] as SimNode, command)
        await this.#world.sleep(5)
      }
    }
    write().catch((error: unknown) => this.#world.fail(error))
    this.#world.run(untilMs, isWritten)
    if (!isWritten() && this.#waitsForTheFenced()) {
      this.#world.note('waits for who is fenced')
      return false
    }
    const rule = 'a healed cluster commits within ten election timeouts'
    insist(isWritten(), rule, () => this.#describe())
    this.#world.note('works')
    return true
  }

  /** Whether fenced nodes alone could be elected: the others that keep data hold too little. */
  #waitsForTheFenced(): boolean {
    const committed = this.#history.membershipAt(Infinity)
    if (committed === null) return false
    const membership = decodeMembership(committed.data)
    const voters = this.#core.filter(({ id }) => membership.voters.includes(id))
    const wins = ({ raft }: SimNode): boolean =>
      haveMajority(membership, (id) =>
        voters.some((voter) => voter.id === id && !isAhead(voter.raft, raft)),
      )
    const winners = voters.filter((node) => !node.isWitness && wins(node))
    return winners.length > 0 && winners.every(({ id }) => this.#states.fenced(id) !== null)
  }

  /**
   * What witnesses are for: once nothing is degraded any one node may go, data or witness, and the
   * others work on (scenario 59). False: they wait, as decision 0004 says they may.
   */
  #mustSurviveOne(): boolean {
    const { witnesses, nodes } = this.#plan
    if (witnesses === 0 || this.#churn.changesMembers || this.#core.length < nodes) return true
    const untilMs = this.#world.nowMs + ELECTIONS_TO_WORK * this.#plan.electionMaxMs
    this.#world.run(untilMs, () => this.#isWhole())
    insist(this.#isWhole(), 'a healed cluster is degraded no more', () => this.#describe())
    const lost = this.#chance.pick(this.#nodes)
    this.#core = this.#nodes.filter((node) => node !== lost)
    this.#ruin(lost)
    this.#sometimes.met(
      lost.isWitness ? 'a witness was lost for good' : 'a data node was lost for good',
    )
    return this.#mustWork('second-probe')
  }

  #isWhole(): boolean {
    return this.#nodes.some(({ raft }) => {
      const data = raft.dataCopies
      return data !== null && data.copies >= data.quorum
    })
  }

  /** Clients leave: leases run out, and all nodes come to the same end. */
  #mustRest(): void {
    this.#workload.stop()
    const { ttlMs, timeoutMs, electionMaxMs } = this.#plan
    // Another leader may start a deadline afresh; removeAfter follows the TTL. A reader may turn to
    // somebody who is deaf for good, time and again.
    const untilMs = this.#world.nowMs + 6 * timeoutMs + 10 * electionMaxMs + 10 * ttlMs
    this.#world.run(untilMs, () => this.#isAtRest())
    insist(this.#isAtRest(), 'leases end, and all nodes converge', () => this.#describe())
  }

  #isAtRest(): boolean {
    if (!this.#workload.isIdle || !this.#casualties.areNone) return false
    if (!this.#watchers.areCaughtUp) return false
    const { last, model } = this.#history
    for (const { raft } of this.#core) {
      if (raft.applied !== last || raft.last !== last) return false
    }
    if (this.#leasesSeen.at !== last) {
      const leases = model.leases(last)
      const areOver = leases.every((lease) => lease.lapsed && lease.removeAfterMs === null)
      this.#leasesSeen = { at: last, areOver }
    }
    return this.#leasesSeen.areOver
  }

  #describe(): string {
    const nodes = this.#nodes.map((node) => {
      if (!node.isUp) return `${node.id} down`
      const { role, term, leader, last, committed, applied, persisted } = node.raft
      const text = `${role} of term ${term}, leader ${leader}`
      const peers = node.raft.progress.map((p) => `${p.id}:${p.state}@${p.match}`).join(' ')
      return `${node.id} ${text} [${peers}] compacted ${node.raft.compacted} last ${last} persisted ${persisted} committed ${committed} applied ${applied}`
    })
    const leases = this.#history.model.leases(this.#history.last).map(({ id }) => id)
    const clients = this.#workload.isIdle ? 'idle' : 'busy'
    return `${nodes.join('; ')}; leases [${leases.join(' ')}]; clients ${clients}; ${this.#watchers.describe()}`
  }

  #noteDisks(): void {
    if (this.#nodes.some(({ counts }) => counts.misplaced > 0)) {
      this.#sometimes.met('an older program met what it does not know')
    }
    for (const { counts } of this.#nodes.map(({ disk }) => disk)) {
      if (counts.garbled > 0) this.#sometimes.met('a power cut left noise in a write')
      if (counts.torn > 0) this.#sometimes.met('a power cut tore a write')
      if (counts.refused + counts.asked > 0) {
        this.#sometimes.met('a disk refused a write for want of room')
      }
    }
  }

  #counts(): ReadonlyMap<string, number> {
    return new Map<string, number>([
      ...this.#sometimes.counts,
      ...Object.entries(this.#promises.counts),
      ...Object.entries(this.#keys.counts),
      ...Object.entries(this.#repeats.counts),
      ...Object.entries(this.#ttl.counts),
      ...Object.entries(this.#locks.counts),
      ...this.#churn.counts,
      ...this.#decay.counts,
      ...[...this.#nemesis.counts].map(([kind, count]) => [`fault ${kind}`, count] as const),
      ['entries', this.#history.last],
      ['compactions', sum(this.#nodes, ({ counts }) => counts.compactions)],
      ['snapshots installed', sum(this.#nodes, ({ counts }) => counts.installs)],
      ['messages', this.#network.counts.sent],
    ])
  }
}

/** Whether the log of `a` is more up to date than that of `b` (Raft §5.4.1). */
function isAhead(a: SimNode['raft'], b: SimNode['raft']): boolean {
  const [termOfA, termOfB] = [a.termAt(a.last) ?? 0, b.termAt(b.last) ?? 0]
  return termOfA === termOfB ? a.last > b.last : termOfA > termOfB
}

function sum(nodes: readonly SimNode[], count: (node: SimNode) => number): number {
  let total = 0
  for (const node of nodes) total += count(node)
  return total
}
