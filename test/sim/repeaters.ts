/**
 * Clients that give their writes keys, and ask again elsewhere until they know: the retry rule of
 * API.md, with transactions, guards, keys of other requests and keys past their window.
 */
import type { Failure } from '../../src/http/registry.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Command, CommandOf, Condition, Outcome, TxnOp } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Repeated } from './oracle/repeats.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
const SERVICE = 'web'
/** Nobody's but theirs: the search over single keys knows nothing of transactions. */
const KEYS = ['r1', 'r2', 'r3']
/** Clients ask again no later than that part of the window after the first try. */
const PATIENCE = 0.6

export class Repeaters {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  async repeat(n: number): Promise<void> {
    const { world, chance, plan } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      const dice = chance.int(1, 10)
      if (dice === 1) await this.#read()
      else if (dice <= 3)
        await this.#workload.write(this.#node, this.#txn(`t${n}-${this.#bench.next()}`))
      else await this.#once(`r${n}`)
    }
  }

  get #node(): SimNode {
    return this.#workload.withState(this.#bench.chance.pick(this.#bench.nodes))
  }

  /** One request under one key, until it is decided or too late; now and then once more. */
  async #once(who: string): Promise<void> {
    const { world, chance, plan, repeats } = this.#bench
    const command = this.#keyed(who, chance.int(1, 255))
    const untilMs = world.nowMs + plan.keyRules.windowMs * PATIENCE
    const repeated = repeats.begun(command, world.nowMs)
    let decided = false
    while (!decided && world.nowMs < untilMs && !this.#workload.isStopped) {
      const told = repeated.answers
      decided = await this.#try(repeated)
      // Who was told to come again later does; who heard nothing asks the next node.
      const isTold = repeated.answers > told
      if (!decided) await world.sleep(isTold ? chance.ms(50, 1_000) : chance.ms(1, 50))
    }
    if (chance.oneIn(3)) await this.#try(repeated)
    if (chance.oneIn(8)) await this.#reuse(command)
    if (decided && chance.oneIn(12)) await this.#comeBack(repeated)
  }

  /** Whether it is decided. */
  async #try(repeated: Repeated): Promise<boolean> {
    const { world, plan, repeats } = this.#bench
    const { timeoutMs } = plan
    const { command } = repeated
    const answer = await this.#workload.ask(this.#node, timeoutMs, (gateway) =>
      gateway.propose(command, { timeoutMs }),
    )
    world.note(`key ${command.key}`, 0, () => JSON.stringify(answer))
    if (typeof answer === 'string') {
      repeats.failed(repeated, answer === 'refused')
      return false
    }
    const outcome = answer.got
    if (!isFailure(outcome)) return repeats.answered(repeated, outcome)
    repeats.failed(repeated, outcome.failure !== 'outcome_unknown')
    return false
  }

  /** The same key for another request. */
  async #reuse(command: CommandOf<'keyed'>): Promise<void> {
    const { world, repeats } = this.#bench
    const other = this.#keyed('other', ((command.requestHash[0] ?? 0) + 1) % 256)
    const repeated = repeats.begun({ ...other, key: command.key }, world.nowMs)
    await this.#try(repeated)
  }

  /** Later than any client should: it is a new request then, or a repeat where leaders changed. */
  async #comeBack(repeated: Repeated): Promise<void> {
    const { world, plan } = this.#bench
    const untilMs = world.nowMs + plan.keyRules.windowMs * 1.2
    while (world.nowMs < untilMs) {
      if (this.#workload.isStopped) return
      await world.sleep(100)
    }
    await this.#try(repeated)
  }

  #keyed(who: string, hash: number): CommandOf<'keyed'> {
    const key = `${who}-${this.#bench.next()}`
    const requestHash = new Uint8Array(32).fill(hash)
    return { type: 'keyed', caller: '', key, requestHash, command: this.#guarded(key) }
  }

  #guarded(tag: string): Command {
    const { chance } = this.#bench
    const command = chance.oneIn(3) ? this.#txn(tag) : this.#write(tag)
    if (!chance.oneIn(6)) return command
    const fences = chance.oneIn(3) ? [{ name: 'l', token: 1 }] : []
    const schemas = [{ key: chance.pick(KEYS), revision: chance.pick([null, null, 1]) }]
    return { type: 'guarded', ns: NS, fences, schemas, command }
  }

  #write(tag: string): Command {
    const { chance } = this.#bench
    const key = chance.pick(KEYS)
    const match = [chance.int(0, 9)]
    const expect = chance.oneIn(4) ? { match, absent: false } : null
    if (chance.oneIn(6)) return { type: 'config_delete', ns: NS, key, by: tag, expect }
    return this.#workload.putCommand(tag, key, expect)
  }

  /** Some of them fail halfway, some have a condition that does not hold. */
  #txn(tag: string): Command {
    const { chance } = this.#bench
    const ops = (): TxnOp[] => Array.from({ length: chance.int(0, 4) }, () => this.#op(tag))
    const conditions = Array.from({ length: chance.int(0, 2) }, () => this.#condition())
    const whenTrue = [this.#op(tag), ...ops()]
    return { type: 'txn', ns: NS, conditions, whenTrue, whenFalse: ops() }
  }

  #op(tag: string): TxnOp {
    const { chance, plan } = this.#bench
    const key = { ns: NS, service: SERVICE, id: 't1' }
    const dice = chance.int(1, 12)
    if (dice <= 2) return { type: 'read', key: chance.pick(KEYS) }
    if (dice === 3) {
      const patch = { weight: chance.int(1, 3), metadata: { tag } }
      return write({ type: 'instance_patch', key, patch, expect: null })
    }
    if (dice === 4) return write({ type: 'instance_delete', key, expect: null })
    if (dice <= 6) {
      const spec = { ...SPEC, metadata: { tag }, ttlMs: plan.ttlMs }
      return write({ type: 'instance_put', key, spec, expect: null })
    }
    return write(this.#write(tag))
  }

  #condition(): Condition {
    const { chance, history } = this.#bench
    const key = chance.pick(KEYS)
    const now = history.model.configs.at(NS, key, history.last)
    const exists = chance.oneIn(2)
    return chance.pick<Condition>([
      { type: 'config_version', key, version: now?.meta.version ?? 0 },
      { type: 'config_version', key, version: chance.int(0, 5) },
      { type: 'config_value', key, value: now?.value ?? utf8('') },
      { type: 'instance', service: SERVICE, id: 't1', exists },
      { type: 'lease', id: `i:${NS}/${SERVICE}/t1`, exists },
      { type: 'lock', name: 'l', token: 1 },
    ])
  }

  async #read(): Promise<void> {
    await this.#workload.readConfig(this.#node, this.#bench.chance.pick(KEYS), {})
  }
}

function write(command: Command): TxnOp {
  return { type: 'write', command }
}

/** Registered and left alone: it lapses by itself. */
const SPEC = {
  address: '10.0.0.1',
  port: 80,
  ports: {},
  addresses: {},
  tags: [],
  weight: 1,
  status: 'up',
  zone: null,
  node: null,
  cluster: null,
  removeAfterMs: 0,
} as const

function isFailure(outcome: Outcome | Failure): outcome is Failure {
  return 'failure' in outcome
}
