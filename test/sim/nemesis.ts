/** Who makes things go wrong: each kind of fault that the plan names, at random moments. */
import type { Casualties } from './casualties.ts'
import type { Chance } from './chance.ts'
import { damage } from './damage.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { FaultPlan, Plan } from './plan.ts'
import type { Pressure } from './pressure.ts'
import type { Sometimes } from './sometimes/situations.ts'
import type { World } from './world.ts'

/** How long a node that lost its disk is watched until somebody takes it back. */
const WATCHED_MS = 3_000

export class Nemesis {
  readonly #world: World
  readonly #plan: Plan
  readonly #chance: Chance
  readonly #network: Network
  readonly #nodes: readonly SimNode[]
  readonly #casualties: Casualties
  readonly #sometimes: Sometimes
  readonly #pressure: Pressure
  #stopped = false
  readonly counts = new Map<string, number>()

  constructor(given: {
    readonly world: World
    readonly plan: Plan
    readonly chance: Chance
    readonly network: Network
    readonly nodes: readonly SimNode[]
    readonly casualties: Casualties
    readonly sometimes: Sometimes
    readonly pressure: Pressure
  }) {
    this.#world = given.world
    this.#plan = given.plan
    this.#chance = given.chance
    this.#network = given.network
    this.#nodes = given.nodes
    this.#casualties = given.casualties
    this.#sometimes = given.sometimes
    this.#pressure = given.pressure
  }

  start(delayMs: number): void {
    for (const [kind, meanMs] of Object.entries(this.#plan.faults) as [keyof FaultPlan, number][]) {
      if (meanMs > 0) this.#repeat(kind, meanMs, delayMs)
    }
  }

  /** The founder dies just after it gave the cluster its id, sometimes before that is durable. */
  strikeFounder(): void {
    const founder = this.#nodes[0]
    if (founder === undefined || this.#stopped || !founder.isUp) return
    if (founder.replica.identity.clusterId === null) {
      this.#world.after(0.5, () => this.strikeFounder())
      return
    }
    this.#world.after(this.#chance.ms(0, this.#plan.disk.syncMaxMs * 2), () =>
      this.#crash(founder, this.#chance.oneIn(2), 10),
    )
  }

  stop(): void {
    this.#stopped = true
  }

  #repeat(kind: keyof FaultPlan, meanMs: number, delayMs: number): void {
    this.#world.after(delayMs + this.#chance.ms(0, meanMs * 2), () => {
      if (this.#stopped) return
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
      this.#inflict(kind)
      this.#repeat(kind, meanMs, 0)
    })
  }

  /** Long enough to matter, short enough to matter often. */
  #spanMs(): number {
    const { electionMaxMs, heartbeatMs } = this.#plan
    const spans = [
      heartbeatMs,
      electionMaxMs / 2,
      electionMaxMs,
      electionMaxMs * 2,
      electionMaxMs * 5,
    ]
    return this.#chance.ms(heartbeatMs / 2, this.#chance.pick(spans) + heartbeatMs)
  }

  #inflict(kind: keyof FaultPlan): void {
    const node = this.#chance.pick(this.#nodes)
    const other = this.#chance.pick(this.#nodes)
    const spanMs = this.#spanMs()
    const { nowMs } = this.#world
    switch (kind) {
      case 'kill':
        return this.#crash(node, false, spanMs)
      case 'power':
        return this.#crash(node, true, spanMs)
      case 'powerAll':
        for (const each of this.#nodes) this.#crash(each, true, this.#spanMs())
        return
      case 'pause':
        return (this.#chance.oneIn(2) ? this.#leader(node) : node).pause(spanMs)
      case 'suspend': {
        const victim = this.#chance.oneIn(2) ? this.#leader(node) : node
        const suspendedMs = this.#chance.oneIn(3) ? this.#chance.ms(5, 120) : 50 + spanMs
        if (victim.isPaused) return
        victim.clock.freeze(nowMs, suspendedMs)
        return victim.pause(suspendedMs)
      }
      case 'partition':
        return this.#partition(spanMs)
      case 'oneWay':
        return this.#cut([[node.at, other.at]], spanMs)
      case 'isolateLeader':
        return this.#isolate(this.#leader(node), spanMs)
      case 'ambush':
        return this.#ambush(this.#leader(node))
      case 'lateAnswers':
        return this.#lateAnswers(this.#leader(node))
      case 'clog':
        this.#world.note(`clog ${node.id} → ${other.id}`, Math.round(spanMs))
        return this.#network.clog(node.at, other.at, spanMs)
      case 'breakLink':
        this.#world.note(`break ${node.id} → ${other.id}`)
        return node.breakLink(other.id)
      case 'diskStall':
        this.#world.note(`disk of ${node.id} stalls`, Math.round(spanMs))
        node.diskStalledUntilMs = nowMs + spanMs
        return
      case 'diskError':
        this.#world.note(`next sync of ${node.id} fails`)
        return node.disk.failOn('sync', { code: 'EIO', nth: this.#chance.int(1, 5) })
      case 'diskFull':
        return this.#fill(node, spanMs)
      case 'wipe':
        return this.#wipe(node, spanMs)
      case 'rot':
        return this.#rot(node, spanMs)
      case 'wallStep': {
        const ms = this.#chance.pick([-3_600_000, -500, -120, 120, 500, 3_600_000])
        this.#world.note(`wall clock of ${node.id} steps`, ms)
        return node.clock.stepWall(ms)
      }
      case 'drift':
        if (this.#chance.oneIn(2)) return node.clock.setRate(nowMs, node.drawRate())
        return this.#runApart(this.#leader(node), spanMs)
      case 'lastBeat':
        return this.#lastBeat(this.#world.nowMs + this.#plan.ttlMs)
      case 'transfer':
        return this.#handOver(this.#leader(node))
    }
  }

  #leader(otherwise: SimNode): SimNode {
    return this.#nodes.find((node) => node.isUp && node.raft.role === 'leader') ?? otherwise
  }

  /**
   * The leader's clock is as slow as it may be, all others are as fast: its lease and their promises
   * end as far apart as they ever can (scenario 42).
   */
  #runApart(leader: SimNode, spanMs: number): void {
    const { nowMs } = this.#world
    const { clockDrift, heartbeatMs } = this.#plan
    this.#world.note(`clocks run apart around ${leader.id}`)
    for (const node of this.#nodes) {
      node.clock.setRate(nowMs, node === leader ? 1 - clockDrift : 1 + clockDrift)
    }
    this.#world.after(this.#chance.ms(heartbeatMs, heartbeatMs * 5), () => {
      if (!this.#stopped) this.#isolate(leader, spanMs + this.#plan.electionMaxMs * 2)
    })
  }

  /**
   * As soon as a lease is suspect its owner beats at the leader, which nobody hears any more: what
   * that answers binds the next leader, so it must not answer what is not in the log.
   */
  #lastBeat(untilMs: number): void {
    if (this.#stopped || this.#world.nowMs > untilMs) return
    const lease = this.#pressure.suspect
    const leader = this.#nodes.find((node) => node.isUp && node.raft.role === 'leader')
    if (lease === null || leader === undefined) {
      this.#world.after(20, () => this.#lastBeat(untilMs))
      return
    }
    const paths = this.#nodes.flatMap(({ at }) => {
      return at === leader.at ? [] : [[at, leader.at] as const, [leader.at, at] as const]
    })
    this.#cut(paths, this.#plan.electionMaxMs * 3)
    this.#pressure.beatOnceMore(leader, lease)
  }

  /**
   * As SIGTERM does it, and sometimes the process goes on as a follower, or does not hear what came of
   * it for a while (scenario 43).
   */
  #handOver(leader: SimNode): void {
    if (!leader.isUp) return
    const ends = this.#chance.oneIn(2)
    if (!ends && this.#chance.oneIn(2)) this.#deafen(leader)
    const { boot } = leader
    this.#world.note(`${leader.id} hands over`)
    leader.arrive(() =>
      leader.replica.handOver(this.#plan.electionMaxMs, () => {
        if (!ends || this.#stopped) return
        this.#world.after(0, () => {
          if (leader.boot === boot) this.#crash(leader, false, 10)
        })
      }),
    )
  }

  #deafen(leader: SimNode): void {
    const { electionMinMs, disk } = this.#plan
    this.#world.after(this.#chance.ms(1, 4 + disk.syncMaxMs), () => {
      if (this.#stopped) return
      const others = this.#nodes.filter((node) => node !== leader)
      this.#cut(
        others.map(({ at }) => [at, leader.at] as const),
        electionMinMs * 2,
      )
    })
  }

  #crash(node: SimNode, power: boolean, spanMs: number): void {
    if (!node.isUp) return
    node.crash(power)
    this.#world.after(this.#chance.oneIn(2) ? 10 : spanMs, () => {
      if (!node.isUp && !this.#stopped) node.start()
    })
  }

  #partition(spanMs: number): void {
    const shuffled = this.#chance.shuffled(this.#nodes)
    const size = this.#chance.int(1, Math.max(1, shuffled.length - 1))
    const [a, b] = [shuffled.slice(0, size), shuffled.slice(size)]
    const pairs = a.flatMap((x) => b.map((y) => [x.at, y.at] as const))
    // A bridge: somebody still reaches both sides.
    const kept = this.#chance.oneIn(3) ? pairs.slice(1) : pairs
    this.#cut([...kept, ...kept.map(([x, y]) => [y, x] as const)], spanMs)
  }

  #isolate(node: SimNode, spanMs: number): void {
    const others = this.#nodes.filter((other) => other !== node)
    const out = others.map((other) => [node.at, other.at] as const)
    const into = others.map((other) => [other.at, node.at] as const)
    this.#cut(this.#chance.pick([[...out, ...into], [...out, ...into], out, into]), spanMs)
  }

  #cut(paths: readonly (readonly [number, number])[], spanMs: number): void {
    this.#world.note('cut', Math.round(spanMs), () =>
      paths.map(([x, y]) => `${x + 1}→${y + 1}`).join(' '),
    )
    for (const [from, to] of paths) this.#network.setCut(from, to, true)
    this.#world.after(spanMs, () => {
      if (this.#stopped) return // What is cut after the heal is cut for good.
      for (const [from, to] of paths) this.#network.setCut(from, to, false)
    })
  }

  /**
   * One follower loses sight of the leader and campaigns; the others, who hear it, restart and
   * must remember what they promised it (scenario 44).
   */
  #ambush(leader: SimNode): void {
    const { electionMinMs, electionMaxMs } = this.#plan
    const [rival, ...voters] = this.#chance.shuffled(this.#nodes.filter((node) => node !== leader))
    if (rival === undefined) return
    const paths = [
      [leader.at, rival.at],
      [rival.at, leader.at],
    ] as const
    this.#cut(paths, electionMaxMs * 3)
    const lateMs = electionMinMs + this.#chance.ms(0, electionMaxMs)
    this.#world.after(lateMs, () => {
      for (const voter of voters) {
        if (this.#stopped || !voter.isUp) continue
        voter.crash(false)
        this.#world.after(this.#chance.ms(1, 10), () => {
          if (!voter.isUp && !this.#stopped) voter.start()
        })
      }
    })
  }

  /**
   * What the followers say reaches the leader late, and what it says them not at all: when the
   * answers come, the others may have elected already (scenario 42).
   */
  #lateAnswers(leader: SimNode): void {
    const { heartbeatMs, electionMinMs, electionMaxMs } = this.#plan
    const others = this.#nodes.filter((node) => node !== leader)
    const isSiege = this.#chance.oneIn(2)
    // In a siege so late that another leader is there by then, and this one not yet gone.
    const fromMs = isSiege
      ? Math.min(electionMinMs * 1.2, electionMaxMs * 0.9)
      : electionMinMs * 0.6
    const lateMs = this.#chance.ms(fromMs, electionMaxMs * 0.97)
    this.#world.note(`answers to ${leader.id} are late`, Math.round(lateMs))
    for (const { at } of others) this.#network.clog(at, leader.at, lateMs)
    if (isSiege) this.#pressure.besiege(leader, electionMaxMs * 2)
    else if (this.#chance.oneIn(2)) return this.#pauseUntilAnswered(leader, others)
    this.#world.after(this.#chance.ms(0, isSiege ? heartbeatMs / 2 : heartbeatMs * 2), () => {
      if (this.#stopped) return
      this.#cut(
        others.map(({ at }) => [leader.at, at] as const),
        electionMaxMs * 3,
      )
    })
  }

  /**
   * Or the leader stands still until about when they come: what its clients asked meanwhile is read
   * first, and must not be taken for asked before its last round (scenario 39).
   */
  #pauseUntilAnswered(leader: SimNode, others: readonly SimNode[]): void {
    const { electionMaxMs } = this.#plan
    const pausedMs = this.#chance.ms(electionMaxMs, electionMaxMs * 2.5)
    for (const { at } of others) {
      this.#network.clog(at, leader.at, pausedMs + this.#chance.ms(-8, 4))
    }
    leader.pause(pausedMs)
  }

  /** Its disk is gone for good, and it is started again on another one. */
  #wipe(node: SimNode, spanMs: number): void {
    if (!node.isUp || !this.#casualties.mayLose(node)) return
    this.#casualties.lose(node)
    this.#sometimes.met('a node lost its disk')
    this.#crash(node, false, spanMs)
    node.wipe()
    if (this.#chance.oneIn(2)) this.#knownToOne(node, this.#world.nowMs + WATCHED_MS)
  }

  /**
   * As soon as a leader has taken it back, and before anybody else has heard of that, the two are
   * alone: the others go on without that change, and it must find its way back all the same.
   */
  #knownToOne(newcomer: SimNode, untilMs: number): void {
    if (this.#stopped || this.#world.nowMs > untilMs) return
    const leader = this.#nodes.find((node) => node.isUp && node.raft.role === 'leader')
    const { membership = null, membershipIndex = 0, committed = 0 } = leader?.raft ?? {}
    const named = membership?.members.find(({ id }) => id === newcomer.id)?.incarnation
    const isNamed = newcomer.isUp && named === newcomer.incarnation
    if (leader === undefined || !isNamed || membershipIndex <= committed) {
      this.#world.after(5, () => this.#knownToOne(newcomer, untilMs))
      return
    }
    const others = this.#nodes.filter((node) => node !== leader && node !== newcomer)
    const pairs = others.flatMap(({ at }) => [
      [at, leader.at] as const,
      [leader.at, at] as const,
      [at, newcomer.at] as const,
      [newcomer.at, at] as const,
    ])
    this.#cut(pairs, this.#plan.electionMaxMs * 3)
  }

  /** What its log had made durable is damaged before it starts again. */
  #rot(node: SimNode, spanMs: number): void {
    if (!node.isUp || !this.#casualties.mayLose(node)) return
    this.#crash(node, this.#chance.oneIn(2), spanMs)
    const what = damage(node.disk, this.#chance)
    if (what === null) return
    this.#world.note(`damage to the log of ${node.id}: ${what}`)
    this.#sometimes.met(`a disk was damaged: ${what}`)
    this.#casualties.lose(node)
    node.isDamaged = true
  }

  /** Nothing more fits until `spanMs` have passed. */
  #fill(node: SimNode, spanMs: number): void {
    this.#world.note(`disk of ${node.id} is full`, Math.round(spanMs))
    node.disk.capacityBytes = 0
    this.#world.after(spanMs, () => {
      node.disk.capacityBytes = Number.MAX_SAFE_INTEGER
    })
  }
}
