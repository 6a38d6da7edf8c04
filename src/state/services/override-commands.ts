import { assert } from '../../lib/assert.ts'
import { encode } from '../../lib/msgpack.ts'
import type { CommandOf, OverrideSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { instanceStatus, overrideRowWire } from '../codec/fields.ts'
import { instanceTopic, touchInstance } from './instance.ts'
import type { Outcome } from '../outcome.ts'
import { nodeOverrideRow, overrideRow } from './override.ts'
import type { OverrideRow } from '../rows.ts'
import type { NodeRecord, OverrideRecord } from '../tables/schema.ts'

function statusNumber(status: OverrideSpec['status']): number | null {
  return status === null ? null : (instanceStatus.to(status, 'status') as number)
}

/** Also for an instance that is away just now; refused for one that never was. */
export function overridePut(context: Context, command: CommandOf<'override_put'>): Outcome {
  const { key, override, by } = command
  const { tables } = context
  const old = tables.override.find(key.ns, key.service, key.id)
  const instance = tables.instance.find(key.ns, key.service, key.id)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old === null && instance === null && !context.scopes.known(key.ns, instanceTopic(key))) {
    return context.notFound(`there never was an instance "${key.id}" of service "${key.service}"`)
  }
  const record: OverrideRecord = {
    ns: key.ns,
    service: key.service,
    id: key.id,
    status: statusNumber(override.status),
    weight: override.weight,
    detail: encode([override.reason, by]),
    ...context.tail(old),
  }
  tables.override.put(old, record)
  if (instance !== null) touchInstance(context, instance)
  const result = { type: 'override', override: overrideRow(record) } as const
  return context.ok(old === null, context.wanted ? result : null)
}

export function overrideDelete(context: Context, command: CommandOf<'override_delete'>): Outcome {
  const { key } = command
  const { tables } = context
  const old = tables.override.find(key.ns, key.service, key.id)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old === null) return context.ok(false, null)
  tables.override.delete(old)
  const instance = tables.instance.find(key.ns, key.service, key.id)
  if (instance !== null) touchInstance(context, instance)
  return context.ok(false, null)
}

/** About a host, whether or not an instance runs there: the next one that does obeys it. */
export function nodeOverridePut(
  context: Context,
  command: CommandOf<'node_override_put'>,
): Outcome {
  const { ns, node, override, by } = command
  const stored = context.tables.node.find(ns, node)
  const old = nodeOverrideRow(stored)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  const row: OverrideRow = {
    ...override,
    by,
    revision: context.revision,
    createdRevision: old?.createdRevision ?? context.revision,
    createdAtMs: old?.createdAtMs ?? context.wallMs,
    updatedAtMs: context.wallMs,
  }
  writeNode(context, { ns, node, stored, override: row })
  const result = { type: 'override', override: row } as const
  return context.ok(old === null, context.wanted ? result : null)
}

export function nodeOverrideDelete(
  context: Context,
  command: CommandOf<'node_override_delete'>,
): Outcome {
  const { ns, node } = command
  const stored = context.tables.node.find(ns, node)
  const old = nodeOverrideRow(stored)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old !== null) writeNode(context, { ns, node, stored, override: null })
  return context.ok(false, null)
}

interface NodeWrite {
  readonly ns: string
  readonly node: string
  readonly stored: NodeRecord | null
  readonly override: OverrideRow | null
}

/** Writes the host's row, or removes one that says nothing any more; all on it have changed. */
function writeNode(context: Context, { ns, node, stored, override }: NodeWrite): void {
  const record: NodeRecord = {
    ns,
    name: node,
    address: stored?.address ?? null,
    metadata: stored?.metadata ?? null,
    overrideStatus: override === null ? null : statusNumber(override.status),
    override: override === null ? null : encode(overrideRowWire.to(override, 'override')),
    ...context.tail(stored),
  }
  const empty = record.address === null && record.metadata === null && record.override === null
  if (!empty) context.tables.node.put(stored, record)
  else {
    assert(stored !== null, 'only a row that is there can become empty')
    context.tables.node.delete(stored)
  }
  for (const instance of context.tables.instancesOnNode(ns, node)) touchInstance(context, instance)
}
