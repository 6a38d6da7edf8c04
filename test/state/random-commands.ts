/** Random commands over few names, so that they meet: they hit, miss, race and repeat. */
import type { Random } from '../../src/lib/prng.ts'
import type {
  Command,
  Expect,
  InstanceKey,
  InstancePatch,
  InstanceSpec,
  LeaseRow,
  OverrideSpec,
  StateMachine,
} from '../../src/state/mod.ts'
import { LOCKS, randomLockCommand } from './random-locks.ts'

export const NAMESPACES = ['default', 'ns～', 'ns🦊']
const SERVICES = ['web', 'wéb', 'db']
const IDS = ['a', 'b', '🦊', '～']
const NODES = ['h1', 'h2']
const KEYS = ['app', 'app/a', 'app/b/c', 'app/～', 'app/🦊', 'z']
const PREFIXES = ['', 'app', 'app/', 'app/～', 'z']
const STATUSES = ['starting', 'up', 'draining', 'down'] as const
const HEALTHS = ['passing', 'warning', 'critical'] as const
/** Texts that drivers and codecs stumble over. */
const TEXTS = ['', 'x', 'a\0b', '🦊～', "'; DROP TABLE lease; --", '\ufeff', 'é'.repeat(300)]

/** The next command; half of those about leases name what `machine` really holds. */
export function randomCommand(random: Random, machine: StateMachine): Command {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T
  const maybe = <T>(value: T): T | null => (random(2) === 0 ? null : value)
  const ns = pick(NAMESPACES)
  const key: InstanceKey = { ns, service: pick(SERVICES), id: pick(IDS) }
  const expect = randomExpect(random, machine.appliedIndex)
  const override: OverrideSpec = {
    status: maybe(pick(STATUSES)),
    weight: maybe(random(10) / 4),
    reason: pick(TEXTS),
  }
  const ref = () => {
    const leases = [...machine.leases()]
    const lease: LeaseRow | undefined = leases[random(leases.length + 1)]
    const stale = random(4) === 0 ? 1 : 0
    return {
      id: lease?.id ?? 'l-none',
      leaseRevision: Math.max(1, (lease?.leaseRevision ?? 1) - stale),
      remainingMs: random(5_000),
    }
  }
  const refs = () => Array.from({ length: random(4) }, ref)
  const plainRefs = () => refs().map(({ id, leaseRevision }) => ({ id, leaseRevision }))

  if (random(4) === 0) return randomLockCommand(random, machine, ns)
  switch (random(36)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { type: 'instance_put', key, spec: randomSpec(random), expect }
    case 4:
    case 5:
      return { type: 'instance_patch', key, patch: randomPatch(random), expect }
    case 6:
      return { type: 'instance_delete', key, expect }
    case 7:
      return {
        type: 'instance_health',
        key,
        health: maybe(pick(HEALTHS)),
        note: maybe(pick(TEXTS)),
      }
    case 8:
      return { type: 'override_put', key, override, by: pick(TEXTS), expect }
    case 9:
      return { type: 'override_delete', key, expect }
    case 10:
      return { type: 'node_override_put', ns, node: pick(NODES), override, by: '', expect }
    case 11:
      return { type: 'node_override_delete', ns, node: pick(NODES), expect }
    case 12:
      return {
        type: 'service_put',
        ns,
        service: key.service,
        settings: { metadata: { m: pick(TEXTS) }, protectThreshold: random(5) / 4 },
        expect,
      }
    case 13:
      return { type: 'service_delete', ns, service: key.service, expect }
    case 14: {
      const owner = maybe(pick(TEXTS))
      return { type: 'lease_grant', ns, id: `l-${random(4)}`, ttlMs: 1 + random(9), owner }
    }
    case 15:
      return { type: 'lease_revoke', ns, id: random(3) === 0 ? ref().id : `l-${random(4)}` }
    case 16:
    case 17:
      return { type: 'lease_expire', leases: plainRefs() }
    case 18:
      return { type: 'lease_remove', leases: plainRefs() }
    case 19:
      return { type: 'lease_suspect', leases: refs() }
    case 20:
      return { type: 'lease_clear', leases: plainRefs() }
    case 21:
      return { type: 'config_delete', ns, key: pick(KEYS), by: maybe(pick(TEXTS)), expect }
    case 22:
    case 23:
      return {
        type: 'config_rollback',
        ns,
        key: pick(KEYS),
        to: 1 + random(6),
        comment: maybe(pick(TEXTS)),
        by: maybe(pick(TEXTS)),
        expect,
      }
    case 24:
      return {
        type: 'config_schema_put',
        ns,
        prefix: pick(PREFIXES),
        schema: Uint8Array.from({ length: random(40) }, () => random(256)),
        by: maybe(pick(TEXTS)),
        expect,
      }
    case 25:
      return { type: 'config_schema_delete', ns, prefix: pick(PREFIXES), expect }
    case 26:
    case 27:
    case 28:
    case 29:
      return stageCommand(random, { ns, key: pick(KEYS), expect })
    default:
      return {
        type: 'config_put',
        ns,
        key: pick(KEYS),
        contentType: pick(['text/plain', 'application/json']),
        value: Uint8Array.from({ length: random(3) * random(3_000) }, () => random(256)),
        comment: maybe(pick(TEXTS)),
        by: maybe(pick(TEXTS)),
        lease: random(3) === 0 ? ref().id : null,
        expect,
      }
  }
}

/** The leader's own, with limits so tight that it removes something. */
export function randomTrim(random: Random): Command {
  const pick = (values: readonly number[]): number => values[random(values.length)] as number
  return {
    type: 'history_trim',
    versions: 1 + random(3),
    ageMs: pick([0, 0, 100, 1_000]),
    feedMs: pick([0, 200, 600]),
    feedRevisions: 1 + random(200),
    rows: 1 + random(12),
  }
}

const STAGES = ['blue', 'eu', '～']
const RULES = ['zone=eu', 'percent=50', 'zone=eu,us;percent=12.5', 'instance=i-1']

function stageCommand(
  random: Random,
  { ns, key, expect }: { ns: string; key: string; expect: Expect | null },
): Command {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T
  const name = { ns, key, stage: pick(STAGES), by: pick([null, ...TEXTS]) }
  const comment = pick([null, ...TEXTS])
  switch (random(4)) {
    case 0:
      return { type: 'config_stage_delete', ...name, expect }
    case 1:
      return { type: 'config_stage_promote', ...name, stageRevision: null, comment, expect }
    default: {
      const value = Uint8Array.from({ length: random(2) * random(300) }, () => random(256))
      const put = { rule: pick(RULES), contentType: 'text/plain', value, comment, expect }
      return { type: 'config_stage_put', ...name, ...put }
    }
  }
}

function randomExpect(random: Random, revision: number): Expect | null {
  switch (random(10)) {
    case 0:
      return { match: '*', absent: false }
    case 1:
      return { match: null, absent: true }
    case 2:
      return { match: [random(4), Math.max(0, revision - random(4))], absent: random(8) === 0 }
    default:
      return null
  }
}

function randomSpec(random: Random): InstanceSpec {
  const some = (i: number): string => TEXTS[(i + random(TEXTS.length)) % TEXTS.length] as string
  return {
    address: `10.0.0.${random(256)}`,
    port: random(3) === 0 ? null : random(65_536),
    ports: random(2) === 0 ? {} : { grpc: random(65_536), 7: 1, [some(0)]: 2 },
    addresses: random(3) === 0 ? { lan: { address: some(1), port: 80 } } : {},
    tags: Array.from({ length: random(3) }, (_, i) => some(i)),
    metadata: random(2) === 0 ? {} : { version: some(2), [some(3)]: '' },
    weight: random(8) / 4,
    status: STATUSES[random(4)] ?? 'up',
    zone: random(2) === 0 ? null : 'eu',
    node: NODES[random(3)] ?? null,
    cluster: null,
    ttlMs: random(3) === 0 ? null : 1_000 + random(3),
    removeAfterMs: [0, null, 500][random(3)] ?? null,
  }
}

/** Some fields of a random spec, some of them reset. */
function randomPatch(random: Random): InstancePatch {
  const spec = randomSpec(random)
  const patch: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(spec)) {
    const choice = random(6)
    if (choice === 0) patch[field] = value
    else if (choice === 1) patch[field] = null
    else if (choice === 2 && field === 'metadata') patch[field] = { version: null, more: 'x' }
    else if (choice === 2 && field === 'addresses') patch[field] = { lan: { port: random(9) + 1 } }
  }
  return patch as InstancePatch
}

/** Everything that a reader can see, for comparison. */
export function readAll(machine: StateMachine): object {
  const page = { prefix: '', after: null, limit: 1_000 }
  const perService = (ns: string) =>
    SERVICES.map((service) => ({
      instances: machine.instances(ns, service),
      revision: machine.serviceRevision(ns, service),
      settings: machine.serviceSettings(ns, service),
      each: IDS.map((id) => ({
        instance: machine.instance({ ns, service, id }),
        revision: machine.instanceRevision({ ns, service, id }),
        override: machine.override({ ns, service, id }),
      })),
    }))
  return {
    index: machine.appliedIndex,
    term: machine.appliedTerm,
    clusterMs: machine.clusterMs,
    hash: machine.stateHash(),
    oldestRevision: machine.oldestRevision,
    readyLocks: machine.locks.ready(),
    leases: [...machine.leases()].map((lease) => [lease, machine.leaseHoldings(lease.id)]),
    namespaces: NAMESPACES.map((ns) => ({
      locks: machine.locks.locks(ns, page, 1_000),
      lockRevisions: LOCKS.map((name) => machine.locks.revision(ns, name)),
      services: machine.services(ns, page),
      revision: machine.servicesRevision(ns),
      perService: perService(ns),
      nodes: NODES.map((node) => machine.nodeOverride(ns, node)),
      list: machine.configList(ns, page),
      prefixes: ['', 'app', 'app/', 'z', '~'].map((prefix) =>
        machine.configPrefixRevision(ns, prefix),
      ),
      stages: KEYS.map((key) => [
        machine.stages.of(ns, key).map(({ stage }) => machine.stages.find(ns, key, stage)),
        machine.stages.revisionFor(ns, key, new Map([['zone', 'eu']])),
      ]),
      config: KEYS.map((key) => [machine.config(ns, key), machine.configRevision(ns, key)]),
      history: KEYS.map((key) => machine.configHistory(ns, key, { before: null, limit: 1_000 })),
      versions: KEYS.map((key) => [1, 2, 3, 9].map((at) => machine.configVersion(ns, key, at))),
      schemas: [machine.configSchemas(ns, page), machine.configSchemasRevision(ns)],
      governing: KEYS.map((key) => machine.configSchemasOf(ns, key)),
    })),
  }
}
