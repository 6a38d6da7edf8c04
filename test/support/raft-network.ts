/**
 * A small cluster of cores in one process, driven from one seed: links that lose, repeat, delay and
 * reorder, disks that finish late or hang, power failures, pauses, partitions, and clocks that
 * run apart as far as the design admits. Every step is checked by `raft-invariants.ts`.
 *
 * It drives the core alone; the simulator over whole replicas is another one.
 */
import { assert, present } from '../../src/lib/assert.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { Heap } from '../../src/lib/heap.ts'
import { prng, type Random } from '../../src/lib/prng.ts'
import {
  decodeMembership,
  Raft,
  raftConfig,
  type Clock,
  type Input,
  type LogIndex,
  type MembershipAt,
  type Message,
  type RaftConfig,
  type Ready,
  type RequestId,
} from '../../src/raft/mod.ts'
import { RaftDisk } from './raft-disk.ts'
import { describe, drawConfig, drawTarget, isLost, newMachine } from './raft-machine.ts'
import type { Machine } from './raft-machine.ts'
import { RaftInvariants, Violation } from './raft-invariants.ts'
import { membershipOf } from './raft-node.ts'

export interface NetworkOptions {
  readonly seed: number
  readonly size: 3 | 5
  /** How far the clocks run apart, in hundredths; what the cores assume is 5. */
  readonly driftHundredths?: number
  /** Founded by that many of them, with another membership now and then; all by default. */
  readonly founders?: number
  readonly config?: Partial<RaftConfig>
}

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

const TRACE_MAX = 60

export class RaftNetwork {
  readonly machines: Machine[]
  readonly invariants: RaftInvariants
  readonly #seed: number
  readonly #random: Random
  readonly #config: Partial<RaftConfig>
  readonly #events = new Heap<Event>(
    (a, b) => a.atMs - b.atMs < 0 || (a.atMs === b.atMs && a.order < b.order),
  )
  readonly #cut = new Set<string>()
  readonly #reads = new Map<RequestId, LogIndex>()
  readonly #trace: string[] = []
  /** Disks that were lost. */
  wipes = 0
  /** Of all that happened: the same seed gives the same. */
  traceHash = 0
  /** Clients that write all the time leave whoever was cut off behind; idle ones do not. */
  readonly #thinkMs: number
  readonly #founders: number
  readonly #wipesDisks: boolean
  #order = 0
  #nowMs = 0
  #requests = 0
  #faults = true

  constructor({ seed, size, driftHundredths = 5, founders, config = {} }: NetworkOptions) {
    this.#seed = seed
    this.#founders = founders ?? size
    this.#wipesDisks = founders !== undefined && seed % 2 === 0
    this.#random = prng(seed)
    this.#thinkMs = [40, 40, 1_500][this.#random(3)] ?? 40
    this.#config = { ...drawConfig(this.#random), ...config }
    const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, size)
    const clockOf = (machine: Machine): Clock => this.#clock(machine)
    const drawn = { random: this.#random, driftHundredths, clockOf }
    this.machines = ids.map((id) => newMachine(id, drawn))
    this.invariants = new RaftInvariants(this.machines)
    for (const machine of this.machines) this.#boot(machine)
    this.#clients()
    if (founders !== undefined) this.#changes()
    this.#nemesis()
  }

  /** Runs for so many milliseconds; throws with the seed and the last steps where a rule breaks. */
  run(ms: number): void {
    const untilMs = this.#nowMs + ms
    try {
      for (let event = this.#events.peek(); event !== null; event = this.#events.peek()) {
        if (event.atMs > untilMs) break
        this.#events.pop()
        this.#nowMs = event.atMs
        event.run()
      }
    } catch (error) {
      const trace = this.#trace.join('\n')
      throw new Error(`seed ${this.#seed}, ${this.#nowMs} ms: ${error}\n${trace}`, { cause: error })
    }
    this.#nowMs = untilMs
  }

  /** Whatever was broken works from now on. */
  heal(): void {
    this.#faults = false
    this.#cut.clear()
    for (const machine of this.machines) {
      this.#resume(machine)
      machine.hungUntilMs = Math.min(machine.hungUntilMs, this.#nowMs)
      if (machine.raft === null) this.#boot(machine)
    }
  }

  /** One leader, and everybody has applied the same, something of its own term included. */
  get hasConverged(): boolean {
    const leaders = this.machines.filter(({ raft }) => raft?.role === 'leader')
    const raft = leaders[0]?.raft ?? null
    if (raft === null || leaders.length > 1 || !raft.hasCommittedInTerm) return false
    if (raft.membership === null || raft.membership.outgoing !== null) return false
    return this.#members(raft).every(
      (machine) => machine.raft?.leader === raft.leader && machine.applied >= raft.noopIndex,
    )
  }

  /** Asks the leader for a write and a read; tells whether both were served by now. */
  request(): () => boolean {
    const leader = this.machines.find(({ raft }) => raft?.role === 'leader')
    if (leader === undefined) return () => false
    const { life } = leader
    this.#requests += 1
    const id = this.#requests
    this.#reads.set(id, this.invariants.committed)
    this.#deliver(leader, life, () => ({ type: 'propose', id, data: utf8('last'), own: false }))
    const index = present(leader.raft, 'a leader runs').last
    this.#deliver(leader, life, () => ({ type: 'read_index', id }))
    const members = this.#members(present(leader.raft, 'a leader runs'))
    return () => !this.#reads.has(id) && members.every(({ applied }) => applied >= index)
  }

  #members({ membership }: Raft): Machine[] {
    return this.machines.filter(({ id }) => membership?.members.some((member) => member.id === id))
  }

  /** Whoever leads is asked for another membership: any, with all of its learners and wishes. */
  #changes(): void {
    const leader = this.machines.find(({ raft }) => raft?.role === 'leader')
    if (leader !== undefined) {
      this.#requests += 1
      const id = this.#requests
      this.#deliver(leader, leader.life, () => {
        const after = leader.raft?.membershipIndex ?? 0
        const target = drawTarget(
          { machines: this.machines, random: this.#random, begins: this.#faults },
          leader,
        )
        return { type: 'propose_membership', id, after, target }
      })
    }
    this.#at(50 + this.#random(1_000), () => this.#changes())
  }

  /**
   * A disk is lost, of a voter or of anybody. Only where all voters of the newest leader are whole,
   * three of them at least: more losses than that no majority survives.
   */
  #wipe(victim: Machine): void {
    const leaders = this.machines.filter(({ raft }) => raft?.role === 'leader')
    const raft = leaders.sort((a, b) => (b.raft?.term ?? 0) - (a.raft?.term ?? 0))[0]?.raft
    const membership = raft?.membership ?? null
    if (raft == null || membership === null || raft.membershipIndex > raft.committed) return
    const isWhole = !this.machines.some((machine) => isLost(machine, membership))
    if (!raft.hasCommittedInTerm || !isWhole || membership.outgoing !== null) return
    // A leader that does not know yet of another one's change may count somebody who is lost.
    if (this.machines.some((machine) => (machine.raft?.term ?? 0) > raft.term)) return
    if (membership.voters.length < 3) return
    this.#crash(victim)
    this.#note(`${victim.id} loses its disk`)
    this.wipes += 1
    victim.incarnation = `${victim.id}-${this.wipes + 1}`
    this.invariants.wiped({ ...victim })
    victim.disk = new RaftDisk({ term: 0, votedFor: null, promiseMs: 0 })
    victim.applied = 0
    victim.appliedDurable = 0
    this.#at(this.#random(500), () => {
      if (victim.raft === null) this.#boot(victim)
    })
  }

  #clock(machine: Machine): Clock {
    const passedMs = this.#nowMs * machine.rate
    // A suspended clock stands still; rounding must not set it back.
    machine.latestMs = Math.max(machine.latestMs, machine.originMs + passedMs)
    return { nowMs: machine.latestMs, wallMs: machine.wallMs + passedMs }
  }

  #boot(machine: Machine): void {
    const { disk } = machine
    machine.life += 1
    machine.applied = machine.appliedDurable
    machine.tickDueMs = Infinity
    const memberships: MembershipAt[] = []
    for (const { type, index, data } of disk.entries) {
      if (type === 'membership') memberships.push({ index, membership: decodeMembership(data) })
    }
    machine.raft = new Raft(
      raftConfig({
        id: machine.id,
        incarnation: machine.incarnation,
        random: this.#random,
        ...this.#config,
      }),
      {
        hardState: disk.hardState,
        log: disk.stored(),
        applied: machine.applied,
        clusterMs: disk.entries[machine.applied - 1]?.clusterMs ?? 0,
        memberships,
        clock: this.#clock(machine),
      },
    )
    this.#note(`${machine.id} boots in ${machine.raft.term}, applied ${machine.applied}`)
    this.#drain(machine)
    // The first founds, once more where it crashed before entry 1 was durable.
    if (machine !== this.machines[0] || disk.last > 0 || this.wipes > 0) return
    const ids = this.machines.slice(0, this.#founders).map(({ id }) => id)
    this.#step(machine, { type: 'bootstrap', membership: membershipOf(ids) })
  }

  #crash(machine: Machine): void {
    const { disk } = machine
    const kept = this.#random(disk.pending.length + 1)
    this.#note(`${machine.id} crashes, ${kept} of ${disk.pending.length} writes reach the disk`)
    machine.raft = null
    machine.life += 1
    machine.inbox = []
    this.#resume(machine)
    disk.crash(kept)
    // SQLite syncs nothing of its own: it may have forgotten some of what it applied.
    machine.appliedDurable += this.#random(machine.applied - machine.appliedDurable + 1)
    if (machine.appliedDurable > disk.last) {
      throw new Violation(`the database of ${machine.id} ran ahead of its log`)
    }
  }

  #at(delayMs: number, run: () => void): void {
    this.#order += 1
    this.#events.push({ atMs: this.#nowMs + delayMs, order: this.#order, run })
  }

  /** An input arrives: later where the machine is paused, never where this life is over. */
  #deliver(machine: Machine, life: number, input: () => Input): void {
    if (machine.life !== life || machine.raft === null) return
    if (machine.isPaused) machine.inbox.push(input)
    else this.#step(machine, input())
  }

  #resume(machine: Machine): void {
    if (machine.suspendedMs !== null) {
      machine.originMs -= (this.#nowMs - machine.suspendedMs) * machine.rate
      machine.suspendedMs = null
    }
    machine.isPaused = false
    for (const input of machine.inbox.splice(0)) this.#step(machine, input())
  }

  #step(machine: Machine, input: Input): void {
    this.#note(`${machine.id} ${describe(input)}`)
    present(machine.raft, 'a step is taken by a process').step(input, this.#clock(machine))
    this.invariants.stepped(machine)
    this.#drain(machine)
    this.invariants.stepped(machine)
  }

  #drain(machine: Machine): void {
    const raft = present(machine.raft, 'only a process has work')
    for (let ready = raft.takeReady(); ready !== null; ready = raft.takeReady()) {
      this.#execute(machine, ready)
    }
    this.#armTick(machine, raft)
  }

  #execute(machine: Machine, ready: Ready): void {
    for (const message of ready.messages) {
      this.invariants.sends(machine, message)
      this.#send(message)
    }
    const { write, committed } = ready
    const { life } = machine
    if (write !== null) {
      this.invariants.appended(machine, write.entries)
      machine.disk.write(write)
      this.#sync(machine, life, write.write)
    }
    for (const answer of ready.answers) {
      if (answer.type !== 'read_at') continue
      const leastIndex = present(this.#reads.get(answer.id), 'an answer has a question')
      if (answer.index < leastIndex) {
        throw new Violation(`a read at ${answer.index} misses what was committed, ${leastIndex}`)
      }
      this.#reads.delete(answer.id)
    }
    const last = committed.at(-1)
    if (last === undefined) return
    this.invariants.applies(machine, committed)
    assert(committed[0]?.index === machine.applied + 1, 'apply has no gaps')
    this.#at(this.#random(8), () => {
      this.#deliver(machine, life, () => {
        machine.applied = last.index
        return { type: 'applied', index: last.index }
      })
    })
  }

  #sync(machine: Machine, life: number, write: number): void {
    const syncMs = 1 + this.#random(this.#random(20) === 0 ? 120 : 12)
    this.#at(Math.max(0, machine.hungUntilMs - this.#nowMs) + syncMs, () => {
      const count = machine.disk.pending.filter((pending) => pending.write <= write).length
      if (machine.life !== life || count === 0) return
      const done = machine.disk.complete(count)
      this.#deliver(machine, life, () => ({ type: 'persisted', write: done }))
    })
  }

  #send(message: Message): void {
    const receiver = present(
      this.machines.find(({ id }) => id === message.to),
      'a message has a receiver',
    )
    const copies = this.#faults && this.#random(20) === 0 ? this.#random(3) : 1
    for (let i = 0; i < copies; i++) {
      const isLate = this.#faults && this.#random(15) === 0
      this.#at(1 + this.#random(isLate ? 900 : 15), () => {
        if (this.#cut.has(`${message.from}>${message.to}`)) return
        this.#deliver(receiver, receiver.life, () => ({ type: 'message', message }))
      })
    }
  }

  #armTick(machine: Machine, raft: Raft): void {
    const dueMs = (raft.nextTickMs - machine.originMs) / machine.rate
    if (dueMs >= machine.tickDueMs) return
    machine.tickDueMs = dueMs
    const { life } = machine
    this.#at(Math.max(0, dueMs - this.#nowMs) + 1, () => {
      if (machine.tickDueMs !== dueMs) return // An earlier one took its place.
      this.#deliver(machine, life, () => {
        machine.tickDueMs = Infinity
        return { type: 'tick' }
      })
    })
  }

  /** Somebody asks somebody for something, all the time. */
  #clients(): void {
    const machine = this.#pick()
    this.#requests += 1
    const id = this.#requests
    if (this.#random(4) === 0) {
      this.#reads.set(id, this.invariants.committed)
      this.#deliver(machine, machine.life, () => ({ type: 'read_index', id }))
    } else {
      const data = utf8(`${id} `.repeat(1 + this.#random(4)))
      this.#deliver(machine, machine.life, () => ({ type: 'propose', id, data, own: false }))
    }
    this.#at(1 + this.#random(this.#thinkMs), () => this.#clients())
  }

  #pick(): Machine {
    return present(this.machines[this.#random(this.machines.length)], 'a machine to pick')
  }

  /** Rather a leader than not: it is there that most can go wrong. */
  #victim(): Machine {
    const leader = this.machines.find(({ raft }) => raft?.role === 'leader')
    return leader === undefined || this.#random(2) === 0 ? this.#pick() : leader
  }

  #nemesis(): void {
    if (this.#faults) this.#breakSomething()
    this.#at(20 + this.#random(600), () => this.#nemesis())
  }

  #breakSomething(): void {
    const machine = this.#victim()
    if (this.#wipesDisks && this.#random(6) === 0 && machine.raft !== null)
      return this.#wipe(machine)
    switch (this.#random(12)) {
      case 0:
      case 1:
        if (machine.raft === null) return
        this.#crash(machine)
        this.#at(this.#random(this.#random(2) === 0 ? 100 : 1_500), () => {
          if (machine.raft === null) this.#boot(machine)
        })
        return
      case 2:
        return this.#isolate(machine)
      case 3:
        return this.#cutLinks()
      case 10:
        return this.#deliver(machine, machine.life, () => ({ type: 'transfer' }))
      case 8:
      case 9:
        return this.#cutLink(machine, this.#pick())
      case 4:
      case 5:
        this.#note('links heal')
        this.#cut.clear()
        return
      case 6:
        this.#note(`${machine.id} is paused`)
        machine.isPaused = true
        this.#at(this.#random(1_500), () => this.#resume(machine))
        return
      case 7:
        if (machine.isPaused || machine.raft === null) return
        this.#note(`${machine.id} is suspended`)
        machine.isPaused = true
        machine.suspendedMs = this.#nowMs
        this.#at(this.#random(2) === 0 ? this.#random(150) : this.#random(1_500), () => {
          this.#resume(machine)
        })
        return
      default:
        return this.#disturb(machine)
    }
  }

  #isolate(machine: Machine): void {
    this.#note(`${machine.id} is cut off`)
    for (const { id } of this.machines) {
      this.#cut.add(`${machine.id}>${id}`)
      this.#cut.add(`${id}>${machine.id}`)
    }
  }

  /** Two no longer hear each other, and everybody else hears both (Cloudflare, 2020). */
  #cutLink(a: Machine, b: Machine): void {
    this.#note(`${a.id} and ${b.id} are cut off from each other`)
    this.#cut.add(`${a.id}>${b.id}`)
    this.#cut.add(`${b.id}>${a.id}`)
  }

  /** Single directions of single links. */
  #cutLinks(): void {
    for (const from of this.machines) {
      for (const to of this.machines) {
        if (this.#random(3) === 0) this.#cut.add(`${from.id}>${to.id}`)
      }
    }
    this.#note(`cut are ${[...this.#cut].join(' ')}`)
  }

  /** A disk that hangs, or a wall clock that is set. */
  #disturb(machine: Machine): void {
    if (this.#random(2) === 0) {
      this.#note(`the disk of ${machine.id} hangs`)
      machine.hungUntilMs = this.#nowMs + this.#random(1_500)
    } else {
      machine.wallMs += this.#random(20_000) - 10_000
      this.#note(`the wall clock of ${machine.id} is set`)
    }
  }

  #note(line: string): void {
    const text = `${this.#nowMs.toFixed(1)} ${line}`
    for (let i = 0; i < text.length; i++) {
      this.traceHash = (Math.imul(this.traceHash, 31) + text.charCodeAt(i)) | 0
    }
    this.#trace.push(text)
    if (this.#trace.length > TRACE_MAX) this.#trace.shift()
  }
}
