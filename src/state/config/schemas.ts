/**
 * JSON Schemas on prefixes. All that a key lies under must hold for its value: one on `app/` and one
 * on `app/db/` add up, so a narrower one can never take back what a wider one asks for.
 *
 * Values are checked at the edge, against schemas of certain revisions; apply only compares those
 * (DESIGN §8). What is stored already is not looked at again when a schema is put.
 */
import { utf8, utf8Text } from '../../lib/bytes.ts'
import type { CommandOf } from '../command.ts'
import type { Context } from '../context.ts'
import type { Outcome } from '../outcome.ts'
import type { ConfigSchemaMeta, ConfigSchemaRow } from '../rows.ts'
import type { ConfigSchemaRecord } from '../tables/schema.ts'
import type { Tables } from '../tables/tables.ts'

/** Of a namespace: each is compiled where values are checked, and all are looked through. */
const SCHEMAS_MAX = 1_000

/** What waits for a schema, and what a list of them is as of. */
export const SCHEMAS_TOPIC = 'config-schemas'

export function configSchemaMeta(record: ConfigSchemaRecord): ConfigSchemaMeta {
  return {
    ns: record.ns,
    prefix: record.prefix,
    size: record.schema.length,
    updatedBy: record.updatedBy === null ? null : utf8Text(record.updatedBy),
    revision: record.revision,
    createdRevision: record.createdRevision,
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
  }
}

export function configSchemaRow(record: ConfigSchemaRecord): ConfigSchemaRow {
  return { ...configSchemaMeta(record), schema: record.schema }
}

/**
 * Of the schemas that govern a key: the newest of their revisions; null where none does. A schema
 * that was put or replaced raises it; one that went can only leave less to be checked.
 */
export function schemaRevision(context: Context, ns: string, key: string): number | null {
  const governing = context.tables.schemasOf(ns, key)
  return governing.length === 0 ? null : Math.max(...governing.map(({ revision }) => revision))
}

export function configSchemaPut(context: Context, put: CommandOf<'config_schema_put'>): Outcome {
  const { tables } = context
  const { ns, prefix, schema, by } = put
  const stored = tables.configSchema.find(ns, prefix)
  const refusal = context.unexpected(put.expect, stored?.revision ?? null)
  if (refusal !== null) return refusal
  if (stored === null && countOf(tables, ns) >= SCHEMAS_MAX) {
    return context.conflict(`the namespace "${ns}" has ${SCHEMAS_MAX} schemas already`)
  }
  const updatedBy = by === null ? null : utf8(by)
  const record = { ns, prefix, updatedBy, schema, ...context.tail(stored) }
  tables.configSchema.put(stored, record)
  context.touch(ns, SCHEMAS_TOPIC)
  const result = { type: 'config_schema', schema: configSchemaMeta(record) } as const
  return context.ok(stored === null, context.wanted ? result : null)
}

function countOf(tables: Tables, ns: string): number {
  return tables.schemasFrom(ns, '', SCHEMAS_MAX).length
}

export function configSchemaDelete(
  context: Context,
  command: CommandOf<'config_schema_delete'>,
): Outcome {
  const { ns, prefix } = command
  const stored = context.tables.configSchema.find(ns, prefix)
  const refusal = context.unexpected(command.expect, stored?.revision ?? null)
  if (refusal !== null) return refusal
  if (stored !== null) {
    context.tables.configSchema.delete(stored)
    context.touch(ns, SCHEMAS_TOPIC)
  }
  return context.ok(false, null)
}
