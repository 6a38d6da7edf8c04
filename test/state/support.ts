import { openSql } from '../../src/runtime/sqlite.ts'
import { CLUSTER_VERSION_MAX, encodeCommand, StateMachine } from '../../src/state/mod.ts'
import type {
  AppliedBatch,
  Command,
  CommandOf,
  Expect,
  InstanceKey,
  InstanceSpec,
  KeyRules,
  Outcome,
  SqlDriver,
} from '../../src/state/mod.ts'
import type { Entry } from '../../src/raft/types.ts'

export const DRIVERS: readonly SqlDriver[] = ['bun', 'node', 'sql.js']

/** Milliseconds of wall clock between two entries, from a start that is easy to recognise. */
export const WALL_START_MS = 1_700_000_000_000

export function commandEntry(index: number, command: Command): Entry {
  return entry(index, { type: 'command', data: encodeCommand(command) })
}

export function entry(index: number, given: Partial<Entry> & Pick<Entry, 'type' | 'data'>): Entry {
  return { index, term: 1, clusterMs: index * 10, wallMs: WALL_START_MS + index, ...given }
}

/** The same entries come to the same only where all nodes go by the same rules. */
export const FEW_KEYS: KeyRules = { keysMax: 4, bytesMax: 10_000, windowMs: 1_000 }

/** A state machine in memory that is fed one command at a time. */
export class Fed {
  readonly machine: StateMachine
  /** What the last batch came to. */
  last: AppliedBatch = {
    outcomes: [],
    topics: [],
    leases: [],
    readyLocks: [],
    notes: [],
    events: [],
    membershipChanged: null,
  }

  constructor(machine: StateMachine) {
    this.machine = machine
  }

  static async open(driver: SqlDriver = 'bun', rules?: KeyRules): Promise<Fed> {
    return new Fed(StateMachine.open(await openSql({ driver, path: ':memory:' }), rules))
  }

  /** At the newest clusterVersion. */
  static async newest(rules?: KeyRules): Promise<Fed> {
    const fed = await Fed.open('bun', rules)
    fed.ok({ type: 'cluster_version', version: CLUSTER_VERSION_MAX })
    return fed
  }

  /** `afterMs`: how much later than the last entry on the cluster's clock. */
  apply(command: Command, afterMs = 10): Outcome {
    const { appliedIndex, clusterMs } = this.machine
    const entry = commandEntry(appliedIndex + 1, command)
    this.last = this.machine.applyBatch([{ ...entry, clusterMs: clusterMs + afterMs }])
    const outcome = this.last.outcomes[0]
    if (outcome === null || outcome === undefined) throw new Error('a command has an outcome')
    return outcome
  }

  /** Applies what must succeed; answers its revision. */
  ok(command: Command): number {
    const outcome = this.apply(command)
    if (!outcome.ok) throw new Error(`refused: ${JSON.stringify(outcome)}`)
    return outcome.revision
  }

  /** The topics that the last batch changed, in its order. */
  topics(): readonly string[] {
    return this.last.topics.map((change) => change.topic)
  }

  /** Kinds of lease changes of the last batch. */
  leaseChanges(): readonly string[] {
    return this.last.leases.map((change) => change.type)
  }
}

export const WEB: InstanceKey = { ns: 'default', service: 'web', id: 'a' }

export const SPEC: InstanceSpec = {
  address: '10.0.0.1',
  port: 8080,
  ports: {},
  addresses: {},
  tags: [],
  metadata: {},
  weight: 1,
  status: 'up',
  zone: null,
  node: null,
  cluster: null,
  ttlMs: 15_000,
  removeAfterMs: 0,
}

export function instancePut(
  spec: Partial<InstanceSpec> = {},
  rest: Partial<CommandOf<'instance_put'>> = {},
): Command {
  return { type: 'instance_put', key: WEB, spec: { ...SPEC, ...spec }, expect: null, ...rest }
}

export function configPut(
  key: string,
  value: string,
  rest: Partial<CommandOf<'config_put'>> = {},
): Command {
  return {
    type: 'config_put',
    ns: 'default',
    key,
    contentType: 'text/plain',
    value: new TextEncoder().encode(value),
    comment: null,
    by: null,
    lease: null,
    expect: null,
    ...rest,
  }
}

/** `If-Match` of these ETag numbers. */
export function match(...numbers: readonly number[]): Expect {
  return { match: numbers, absent: false }
}

export function stagePut(
  change: Partial<CommandOf<'config_stage_put'>> & { readonly text?: string } = {},
): CommandOf<'config_stage_put'> {
  const { text = 'staged', ...given } = change
  return {
    type: 'config_stage_put',
    ns: 'default',
    key: 'app',
    stage: 'canary',
    rule: 'zone=eu',
    contentType: 'text/plain',
    value: new TextEncoder().encode(text),
    comment: null,
    by: null,
    expect: null,
    ...given,
  }
}
