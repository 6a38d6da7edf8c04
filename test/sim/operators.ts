/** Those who run the services: overrides, settings, patches, reports of health, and long polls. */
import type { WaitTarget } from '../../src/http/registry.ts'
import type { Command, InstanceKey, InstancePatch, StateReader } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
const SERVICE = 'web'

export class Operators {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  /** Somebody who changes what others have declared, and looks at it. */
  async operate(): Promise<void> {
    const { world, chance, plan } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs * 2))
      const node = chance.pick(this.#bench.nodes)
      if (chance.oneIn(3)) await this.#look(node)
      else await this.#workload.write(node, this.#command())
    }
  }

  get #key(): InstanceKey {
    // One more than there are: of that one nobody ever heard.
    const { chance, plan } = this.#bench
    return { ns: NS, service: SERVICE, id: `i${chance.int(0, plan.instances)}` }
  }

  #command(): Command {
    const { chance } = this.#bench
    const by = `op-${this.#bench.next()}`
    const node = chance.pick(['host1', 'host2'])
    const override = {
      status: chance.pick(['draining', 'down', null] as const),
      weight: chance.pick([0, 5, null]),
      reason: by,
    }
    const settings = { metadata: { tag: by }, protectThreshold: chance.pick([0, 0.5]) }
    const key = this.#key
    const commands: Command[] = [
      { type: 'override_put', key, override, by, expect: null },
      { type: 'override_delete', key, expect: null },
      { type: 'node_override_put', ns: NS, node, override, by, expect: null },
      { type: 'node_override_delete', ns: NS, node, expect: null },
      { type: 'service_put', ns: NS, service: SERVICE, settings, expect: null },
      { type: 'service_delete', ns: NS, service: SERVICE, expect: null },
      { type: 'instance_patch', key, patch: this.#patch(by), expect: null },
      { type: 'instance_patch', key, patch: this.#patch(by), expect: null },
      {
        type: 'instance_health',
        key,
        health: chance.pick(['passing', 'warning', 'critical']),
        note: chance.pick([null, 'slow']),
      },
    ]
    return chance.pick(commands)
  }

  #patch(tag: string): InstancePatch {
    const { chance, plan } = this.#bench
    const patches: InstancePatch[] = [
      { weight: chance.pick([null, 1, 2, 3]) },
      { tags: chance.pick([null, ['a'], ['a', 'b']]), zone: chance.pick([null, 'z1']) },
      { node: chance.pick([null, 'host1', 'host2']) },
      { status: chance.pick([null, 'draining', 'up']) },
      // Never below what was promised at the registration: the oracle of TTLs counts on that.
      { ttlMs: chance.pick([plan.ttlMs, plan.ttlMs * 2]) },
      { metadata: { note: chance.pick([null, 'x']) } },
    ]
    const patch = chance.pick(patches)
    return { ...patch, metadata: { ...patch.metadata, tag } }
  }

  async #look(node: SimNode): Promise<void> {
    const { chance, history } = this.#bench
    const { model } = history
    const key = this.#key
    const host = chance.pick(['host1', 'host2'])
    const questions: [string, (state: StateReader) => unknown, (at: number) => unknown][] = [
      ['the override', (state) => state.override(key), (at) => model.services.override(key, at)],
      [
        'a host',
        (state) => state.nodeOverride(NS, host),
        (at) => model.services.nodeOverride(NS, host, at),
      ],
      [
        'the settings',
        (state) => state.serviceSettings(NS, SERVICE),
        (at) => model.services.service(NS, SERVICE, at),
      ],
      [
        'the service',
        (state) => [...state.instances(NS, SERVICE)],
        (at) => model.services.instances(NS, SERVICE, at),
      ],
      [
        'the revisions',
        (state) => [state.instanceRevision(key), state.servicesRevision(NS)],
        (at) => [
          model.topics.changedAt(NS, `services/${SERVICE}/${key.id}`, at),
          model.topics.changedAt(NS, 'services', at),
        ],
      ],
    ]
    const [what, query, expected] = chance.pick(questions)
    const consistency = chance.pick(['lease', 'linearizable', 'stale'] as const)
    await this.#workload.read(node, `${consistency} look at ${what}`, {
      consistency,
      minRevision: 0,
      query,
      expected,
    })
  }

  /** Somebody who waits for changes, and mostly asks from where the last answer ended. */
  async wait(): Promise<void> {
    const { world, chance, plan, wakes } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      const node = this.#workload.withState(chance.pick(this.#bench.nodes))
      const [target, current] = this.#target()
      const waitMs = chance.int(20, 2_000)
      const since = this.#since()
      await this.#workload.ask(node, waitMs, async (gateway) => {
        const wait = wakes.begun(node, target, { since, waitMs })
        const { signal } = new AbortController()
        const failure = await gateway.wait(target, { since, waitMs, signal, current })
        wakes.ended(wait, failure)
      })
    }
  }

  #since(): number {
    const { chance, history, sometimes } = this.#bench
    const dice = chance.int(1, 10)
    if (dice === 1) return 0
    if (dice > 2) return history.last
    sometimes.met('a wait was for the future')
    return history.last + chance.int(1, 20)
  }

  #target(): [WaitTarget, (state: StateReader) => number] {
    const { chance, plan } = this.#bench
    const key = `k${chance.int(1, plan.keys)}`
    const instance = this.#key
    const exact = (topic: string): WaitTarget => ({ ns: NS, topic, prefix: false })
    const targets: [WaitTarget, (state: StateReader) => number][] = [
      [exact(`config/${key}`), (state) => state.configRevision(NS, key)],
      [{ ns: NS, topic: 'config/k', prefix: true }, (state) => state.configPrefixRevision(NS, 'k')],
      [
        { ns: NS, topic: 'config/held-', prefix: true },
        (state) => state.configPrefixRevision(NS, 'held-'),
      ],
      [exact(`services/${SERVICE}/${instance.id}`), (state) => state.instanceRevision(instance)],
      [exact(`services/${SERVICE}`), (state) => state.serviceRevision(NS, SERVICE)],
      [exact('services'), (state) => state.servicesRevision(NS)],
    ]
    return chance.pick(targets)
  }
}
