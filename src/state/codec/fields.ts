/** The wire formats of what several commands and outcomes have in common. */
import type { LockKey } from '../changes.ts'
import type {
  Expect,
  InstanceKey,
  InstancePatch,
  InstanceSpec,
  LeaseRef,
  OverrideSpec,
  PortAddress,
  PortAddressPatch,
  ServiceSettings,
} from '../command.ts'
import type { OverrideRow, StageMeta } from '../rows.ts'
import { formatStageRule, parseStageRule } from '../stages/rule.ts'
import { choice, count, flag, list, name, nullable, partial, port, positive } from './wire.ts'
import { InvalidCommand, key, real, record, struct, text } from './wire.ts'
import type { Wire } from './wire.ts'

export const instanceStatus = choice('starting', 'up', 'draining', 'down')
export const health = choice('passing', 'warning', 'critical')

export const instanceKey = struct<InstanceKey>({ ns: name, service: name, id: name })

const portAddress = struct<PortAddress>({ address: text, port })

export const instanceSpec = struct<InstanceSpec>({
  address: text,
  port: nullable(port),
  ports: record(port),
  addresses: record(portAddress),
  tags: list(text),
  metadata: record(text),
  weight: real,
  status: instanceStatus,
  zone: nullable(name),
  node: nullable(name),
  cluster: nullable(name),
  ttlMs: nullable(positive),
  removeAfterMs: nullable(count),
})

const portAddressPatch = partial<Required<PortAddressPatch>>({
  address: nullable(text),
  port: nullable(port),
}) as Wire<PortAddressPatch>

/** Null of a whole field and null of one key of a map are both words of RFC 7396. */
export const instancePatch = partial<Required<InstancePatch>>({
  address: nullable(text),
  port: nullable(port),
  ports: nullable(record(nullable(port))),
  addresses: nullable(record(nullable(portAddressPatch))),
  tags: nullable(list(text)),
  metadata: nullable(record(nullable(text))),
  weight: nullable(real),
  status: nullable(instanceStatus),
  zone: nullable(name),
  node: nullable(name),
  cluster: nullable(name),
  ttlMs: nullable(positive),
  removeAfterMs: nullable(count),
}) as Wire<InstancePatch>

const match: Wire<readonly number[] | '*' | null> = {
  to: (value, at) => (value === '*' || value === null ? value : list(count).to(value, at)),
  from: (raw, at) => (raw === '*' || raw === null ? raw : list(count).from(raw, at)),
}

export const expectation = nullable(struct<Expect>({ match, absent: flag }))

export const overrideSpec = struct<OverrideSpec>({
  status: nullable(instanceStatus),
  weight: nullable(real),
  reason: text,
})

export const serviceMetadata = record(text)

export const serviceSettings = struct<ServiceSettings>({
  metadata: serviceMetadata,
  protectThreshold: real,
})

export const lockKey = struct<LockKey>({ ns: name, name })

export const leaseRef = struct<LeaseRef>({ id: key, leaseRevision: positive })

export const suspectRef = struct<LeaseRef & { readonly remainingMs: number }>({
  id: key,
  leaseRevision: positive,
  remainingMs: count,
})

/** Only the canonical text: two spellings would be two rules. */
export const stageRule: Wire<string> = {
  to: (value, at) => stageRule.from(value, at),
  from: (raw, at) => {
    const spelled = text.from(raw, at)
    const rule = parseStageRule(spelled)
    if (typeof rule !== 'string' && formatStageRule(rule) === spelled) return spelled
    throw new InvalidCommand(`${at}: expected a rule in its canonical form`)
  },
}

export const stageMeta = struct<StageMeta>({
  ns: name,
  key,
  stage: name,
  rule: stageRule,
  contentType: key,
  baseVersion: count,
  size: count,
  comment: nullable(text),
  updatedBy: nullable(text),
  revision: count,
  createdRevision: count,
  createdAtMs: count,
  updatedAtMs: count,
})

/** What `../rows.ts` ends every row with. */
export const revisions = {
  revision: count,
  createdRevision: count,
  createdAtMs: count,
  updatedAtMs: count,
}

export const overrideRowWire = struct<OverrideRow>({
  status: nullable(instanceStatus),
  weight: nullable(real),
  reason: text,
  by: text,
  ...revisions,
})
