/**
 * Staged release: those who stage, promote and abort, and readers of different labels, who must see
 * what is theirs and no trace of what is not. Their keys are `s1`, `s2`, so that the histories of
 * the clients' keys stay what clients write.
 */
import { effectiveValue, effectiveWaitable } from '../../src/http/config/effective.ts'
import type { Command, Expect, StateReader } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
const STAGES = ['10-canary', 'blue', 'eu']
/** Canonical, as the edge proposes them. */
const RULES = [
  'zone=eu',
  'instance=i-1,i-4;zone=eu',
  'percent=10',
  'percent=50',
  'percent=99.5',
  'zone=eu,us;percent=60',
]
const READERS = [
  '',
  'zone=eu',
  'zone=us,instance=i-2',
  'zone=eu,instance=i-1',
  'instance=i-3',
  'instance=i-4,zone=ap',
]

export class Stagers {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  /** Somebody who releases in stages. */
  async release(): Promise<void> {
    const { world, chance, plan } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      const outcome = await this.#workload.write(chance.pick(this.#bench.nodes), this.#command())
      this.#note(outcome?.ok === false ? outcome.code : null)
    }
  }

  #note(code: string | null): void {
    if (code === 'version_mismatch') this.#bench.sometimes.met('a promotion came too late')
  }

  #command(): Command {
    const { chance, history } = this.#bench
    const key = this.#key
    const stage = chance.pick(STAGES)
    const by = `st-${this.#bench.next()}`
    const known = history.model.configs.stages.last(`${NS}/${key}`, stage)?.meta.revision ?? 0
    const expect: Expect | null = chance.pick([null, null, { match: [known], absent: false }])
    const name = { ns: NS, key, stage, by } as const
    const dice = chance.int(1, 10)
    if (dice <= 5) return this.#put(name, expect)
    if (dice <= 7) return { type: 'config_stage_delete', ...name, expect }
    if (dice === 8) return this.#workload.putCommand('st', key, null)
    const stageRevision = known > 0 && chance.oneIn(2) ? known : null
    const any: Expect | null = chance.pick([null, null, { match: null, absent: false }])
    return { type: 'config_stage_promote', ...name, stageRevision, comment: null, expect: any }
  }

  #put(
    name: {
      readonly ns: string
      readonly key: string
      readonly stage: string
      readonly by: string
    },
    expect: Expect | null,
  ): Command {
    const { chance } = this.#bench
    const value = new TextEncoder().encode(name.by)
    const rule = chance.pick(RULES)
    const comment = chance.pick([null, 'try'])
    const contentType = 'text/plain'
    return { type: 'config_stage_put', ...name, rule, contentType, value, comment, expect }
  }

  get #key(): string {
    return `s${this.#bench.chance.int(1, 2)}`
  }

  /** Somebody with labels who reads, and then waits for what comes next. */
  async read(): Promise<void> {
    const { world, chance, plan, history } = this.#bench
    const labels = labelsOf(chance.pick(READERS))
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      const node = this.#workload.withState(chance.pick(this.#bench.nodes))
      const asked = { ns: NS, key: this.#key, labels }
      const revision = await this.#look(node, asked)
      if (chance.oneIn(3)) continue
      await this.#wait(node, asked, chance.oneIn(4) ? history.last : revision)
    }
  }

  /** What a reader can tell of a key by everything that it may ask. */
  async #look(node: SimNode, asked: Asked): Promise<number> {
    const { chance, history, sometimes } = this.#bench
    const { ns, key, labels } = asked
    const { current } = effectiveWaitable(asked)
    const answer = await this.#workload.read(node, `look at ${key} as ${describe(labels)}`, {
      consistency: chance.pick(['lease', 'linearizable', 'stale'] as const),
      minRevision: 0,
      query: (state) => this.#seen(state, asked, current(state)),
      expected: (at) => {
        const { model } = history
        const config = model.configs.at(ns, key, at)
        const stage = model.configs.stages.seenBy(`${ns}/${key}`, labels, at)
        const own = model.topics.changedAt(ns, `config/${key}`, at)
        const staged = model.configs.stages.changedFor(`${ns}/${key}`, labels, at)
        return {
          version: config?.meta.version ?? 0,
          stage: stage === null ? null : [stage.meta.stage, stage.meta.revision],
          value: text(stage?.value ?? config?.value ?? null),
          revision: Math.max(own, staged),
          prefix: model.topics.changedAtPrefix(ns, `config/${key}`, at),
        }
      },
    })
    if (answer === null) return 0
    if (answer.value.stage !== null) sometimes.met('a staged value was read')
    return answer.revision
  }

  #seen(state: StateReader, asked: Asked, revision: number): Seen {
    const { config, stage } = effectiveValue(state, asked)
    return {
      version: config?.version ?? 0,
      stage: stage === null ? null : [stage.stage, stage.revision],
      value: text(stage?.value ?? config?.value ?? null),
      revision,
      prefix: state.configPrefixRevision(asked.ns, asked.key),
    }
  }

  async #wait(node: SimNode, asked: Asked, since: number): Promise<void> {
    const { chance, wakes, history } = this.#bench
    const { ns, key, labels } = asked
    const { target, current } = effectiveWaitable(asked)
    const waitMs = chance.int(20, 2_000)
    const changedAt = (revision: number): number =>
      Math.max(
        history.model.topics.changedAt(ns, `config/${key}`, revision),
        history.model.configs.stages.changedFor(`${ns}/${key}`, labels, revision),
      )
    await this.#workload.ask(node, waitMs, async (gateway) => {
      const wait = wakes.begun(node, target, { since, waitMs, changedAt })
      const { signal } = new AbortController()
      const failure = await gateway.wait(target, { since, waitMs, signal, current })
      wakes.ended(wait, failure)
    })
  }
}

interface Asked {
  readonly ns: string
  readonly key: string
  readonly labels: ReadonlyMap<string, string>
}

interface Seen {
  readonly version: number
  /** Name and revision. */
  readonly stage: readonly (string | number)[] | null
  readonly value: string | null
  readonly revision: number
  /** Of the prefix that the key is: nobody's stages are a change of that. */
  readonly prefix: number
}

function labelsOf(given: string): ReadonlyMap<string, string> {
  const parts = given === '' ? [] : given.split(',')
  return new Map(parts.map((part) => part.split('=') as [string, string]))
}

function describe(labels: ReadonlyMap<string, string>): string {
  return labels.size === 0 ? 'anybody' : [...labels].map((pair) => pair.join('=')).join(',')
}

function text(value: Uint8Array | null): string | null {
  return value === null ? null : new TextDecoder().decode(value)
}
