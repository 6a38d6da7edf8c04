/**
 * Who changes the members while everything else goes wrong: nodes are removed with their data and
 * taken back, made learners and voters, all at once and one by one, and leadership is handed over.
 * All of it goes through the production gateway. `null` in a plan: this seed keeps its members.
 */
import type { MembersRequest } from '../../src/http/registry.ts'
import type { MemberRole } from '../../src/replica/members/member-change.ts'
import type { Chance } from './chance.ts'
import type { SimNode } from './node.ts'
import type { Plan } from './plan.ts'
import { insist } from './violation.ts'
import type { World } from './world.ts'

/** A change that was begun, once nothing fails any more, is over within so many elections. */
const ELECTIONS_TO_SETTLE = 30

export class Churn {
  readonly #world: World
  readonly #plan: Plan
  readonly #chance: Chance
  readonly #nodes: readonly SimNode[]
  readonly #meanMs: number
  #stopped = false
  #asked = 0
  /** Who was asked and has not answered. */
  readonly #waiting = new Set<{ readonly node: SimNode; readonly boot: number }>()
  #done = 0

  constructor(given: {
    readonly world: World
    readonly plan: Plan
    readonly chance: Chance
    readonly nodes: readonly SimNode[]
  }) {
    this.#world = given.world
    this.#plan = given.plan
    this.#chance = given.chance
    this.#nodes = given.nodes
    const isCalm = given.nodes.length < 2 || !given.chance.oneIn(3)
    this.#meanMs = isCalm ? 0 : given.chance.int(300, 4_000)
  }

  /** Whether this seed changes its members. */
  get isOn(): boolean {
    return this.#meanMs > 0
  }

  /** Whether they change at all, be it by a leader that takes out its dead. */
  get changesMembers(): boolean {
    return this.isOn || this.#plan.removeDeadAfterMs !== null
  }

  get counts(): readonly (readonly [string, number])[] {
    return [
      ['member changes asked', this.#asked],
      ['member changes done', this.#done],
    ]
  }

  start(delayMs: number): void {
    if (this.isOn) this.#repeat(delayMs)
  }

  #repeat(delayMs: number): void {
    this.#world.after(delayMs + this.#chance.ms(0, this.#meanMs * 2), () => {
      if (this.#stopped) return
      this.#ask(this.#chance.pick(this.#nodes), this.#draw())
      this.#repeat(0)
    })
  }

  #draw(): MembersRequest {
    const node = this.#chance.pick(this.#nodes)
    const { id, url } = node
    const role = roleOf(node, this.#chance.pick(['voter', 'voter', 'learner'] as const))
    switch (this.#chance.int(1, 6)) {
      case 1:
      case 2:
        return { type: 'add', id, url, role }
      case 3:
        return { type: 'remove', id }
      case 4:
        return { type: 'transfer', to: this.#chance.oneIn(2) ? id : null }
      default: {
        const size = this.#chance.int(1, this.#nodes.length)
        const some = this.#chance.shuffled(this.#nodes).slice(0, size)
        const members = some.map((node, at) => {
          const as = at > 0 && this.#chance.oneIn(4) ? 'learner' : 'voter'
          return { id: node.id, url: node.url, role: roleOf(node, as) } as const
        })
        return { type: 'set', members }
      }
    }
  }

  #ask(node: SimNode, request: MembersRequest): void {
    this.#asked += 1
    this.#world.note(`${node.id} is asked for members`, this.#asked, () => JSON.stringify(request))
    const { timeoutMs } = this.#plan
    const waiting = { node, boot: node.boot }
    this.#waiting.add(waiting)
    node.arrive(() => {
      node.gateway
        .changeMembers(request, { timeoutMs, force: false })
        .then((answer) => {
          if (!('failure' in answer) && answer.ok) this.#done += 1
        })
        .catch((error: unknown) => this.#world.fail(error))
        .finally(() => this.#waiting.delete(waiting))
    })
  }

  /** All nodes vote again, and nothing is under way. */
  restore(): void {
    this.#stopped = true
    if (!this.changesMembers) return
    const untilMs = this.#world.nowMs + ELECTIONS_TO_SETTLE * this.#plan.electionMaxMs
    const members = this.#nodes.map((node) => {
      return { id: node.id, url: node.url, role: roleOf(node, 'voter') } as const
    })
    // What waits for its moment since before that may take somebody out once more.
    const isOver = (): boolean => this.#isWhole() && !this.#isAwaited()
    const insistOnAll = (): void => {
      if (isOver() || this.#world.nowMs >= untilMs) return
      const leader = this.#nodes.find((node) => node.isUp && node.raft.role === 'leader')
      if (leader !== undefined && !this.#isWhole()) this.#ask(leader, { type: 'set', members })
      this.#world.after(this.#plan.electionMaxMs, insistOnAll)
    }
    this.#world.after(0, insistOnAll)
    this.#world.run(untilMs, isOver)
    insist(this.#isWhole(), 'a change of the members ends once nothing fails', () =>
      this.#nodes.map((node) => `${node.id} ${this.#describe(node)}`).join('; '),
    )
  }

  #isAwaited(): boolean {
    return [...this.#waiting].some(({ node, boot }) => node.isUp && node.boot === boot)
  }

  #isWhole(): boolean {
    return this.#nodes.every((node) => {
      if (!node.isUp) return false
      const { membership, leader } = node.raft
      const isSettled = membership?.outgoing === null && membership.wanted === null
      return isSettled && leader !== null && membership.voters.length === this.#nodes.length
    })
  }

  #describe(node: SimNode): string {
    if (!node.isUp) return 'is down'
    const { role, term, membership, membershipIndex } = node.raft
    const { voters, outgoing, learners, wanted } = membership ?? {}
    const links = node.replica.ports.mesh.peers().map(({ id, connected, refusal }) => {
      return `${id}${connected ? '' : ` down${refusal === null ? '' : ` (${refusal})`}`}`
    })
    const lists = JSON.stringify({ voters, outgoing, learners, wanted })
    return `${role} of ${term}, at ${membershipIndex} ${lists}, links ${links.join(', ')}`
  }
}

/** A witness is nothing else, whatever is drawn. */
function roleOf({ isWitness }: SimNode, role: 'voter' | 'learner'): MemberRole {
  return isWitness ? 'witness' : role
}
