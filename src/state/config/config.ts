import { assert } from '../../lib/assert.ts'
import { EMPTY_BYTES, utf8, utf8Text } from '../../lib/bytes.ts'
import type { CommandOf } from '../command.ts'
import { encodeConfigBody } from './event.ts'
import type { SpineLinks } from './spines.ts'
import type { Context } from '../context.ts'
import { EVENT_KINDS } from '../events/event.ts'
import { uncheckedValue } from '../guarded.ts'
import type { Outcome } from '../outcome.ts'
import type { ConfigMeta } from '../rows.ts'
import type { ConfigRecord } from '../tables/schema.ts'
import { forgetMarks } from '../stages/marks.ts'

/** The key as lists show it. Not for a tombstone. */
export function configMeta(record: ConfigRecord): ConfigMeta {
  assert(record.deleted === 0, 'a deleted key is shown to nobody')
  return {
    ns: record.ns,
    key: record.key,
    contentType: record.contentType,
    version: record.version,
    size: record.size,
    lease: record.lease,
    updatedBy: record.updatedBy === null ? null : utf8Text(record.updatedBy),
    revision: record.revision,
    createdRevision: record.createdRevision,
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
  }
}

/** Of a key, its ETag is the version (API.md "ETags"). */
export function etag(record: ConfigRecord | null): number | null {
  return record === null || record.deleted === 1 ? null : record.version
}

export function configPut(context: Context, put: CommandOf<'config_put'>): Outcome {
  const stored = context.tables.config.find(put.ns, put.key)
  const current = etag(stored)
  const refusal = context.unexpected(put.expect, current)
  if (refusal !== null) return refusal
  if (put.lease !== null) {
    const lease = context.tables.lease.find(put.lease)
    // A lapsed lease waits for its removal only: nothing new may hang on it.
    if (lease === null || lease.ns !== put.ns || lease.lapsed === 1) {
      return context.notFound(`there is no lease "${put.lease}"`)
    }
  }
  const unchecked = uncheckedValue(context, put.ns, put.key)
  if (unchecked !== null) return unchecked
  const record = writeValue(context, { put, stored, created: current === null })
  const result = context.wanted ? ({ type: 'config', config: configMeta(record) } as const) : null
  return context.ok(current === null, result)
}

interface Write {
  readonly put: Omit<CommandOf<'config_put'>, 'type' | 'expect'>
  readonly stored: ConfigRecord | null
  readonly created: boolean
}

/** Appends a version: the value's event, and the row that points to it. */
export function writeValue(context: Context, { put, stored, created }: Write): ConfigRecord {
  const version = (stored?.version ?? 0) + 1 // Also after a deletion: the tombstone knows.
  const { ns, key, contentType, value, lease } = put
  const links = linksAfter(context, stored)
  const eventN = context.emit({
    ns,
    topic: `config/${key}`,
    kind: EVENT_KINDS['config.put'],
    body: encodeConfigBody({
      version,
      contentType,
      by: put.by,
      comment: put.comment,
      lease,
      links,
    }),
    value,
  })
  noteHead(context, eventN, links)
  const record: ConfigRecord = {
    ns,
    key,
    contentType,
    version,
    createdVersion: created ? version : (stored?.createdVersion ?? version),
    flags: stored?.flags ?? 0,
    lease,
    size: value.length,
    updatedBy: put.by === null ? null : utf8(put.by),
    deleted: 0,
    eventRevision: context.revision,
    eventN,
    ...context.tail(created ? null : stored),
  }
  context.tables.config.put(stored, record)
  forgetMarks(context, ns, key)
  context.changed(ns, `config/${key}`)
  return record
}

/** Older members apply the same log: they write no links, so nobody does until all know them. */
const LINKED_SINCE = 3

function linksAfter(context: Context, stored: ConfigRecord | null): SpineLinks | null {
  if (context.clusterVersion < LINKED_SINCE) return null
  return context.tables.chain.linksAfter(stored)
}

function noteHead({ tables, revision }: Context, n: number, links: SpineLinks | null): void {
  if (links !== null) tables.chain.spines.written({ revision, n }, links)
}

export function configDelete(context: Context, command: CommandOf<'config_delete'>): Outcome {
  const stored = context.tables.config.find(command.ns, command.key)
  const refusal = context.unexpected(command.expect, etag(stored))
  if (refusal !== null) return refusal
  if (stored !== null && stored.deleted === 0) deleteConfig(context, stored, command.by)
  return context.ok(false, null)
}

/** Leaves a tombstone, so that versions and revisions of the key go on from here. */
export function deleteConfig(context: Context, stored: ConfigRecord, by: string | null): void {
  assert(stored.deleted === 0, 'a key is deleted once')
  const { ns, key, version } = stored
  const links = linksAfter(context, stored)
  const eventN = context.emit({
    ns,
    topic: `config/${key}`,
    kind: EVENT_KINDS['config.deleted'],
    body: encodeConfigBody({
      version,
      contentType: stored.contentType,
      by,
      comment: null,
      lease: null,
      links,
    }),
    value: null,
  })
  noteHead(context, eventN, links)
  context.tables.config.update(stored, {
    ...stored,
    ...context.tail(stored),
    lease: null,
    size: EMPTY_BYTES.length,
    updatedBy: by === null ? null : utf8(by),
    deleted: 1,
    eventRevision: context.revision,
    eventN,
  })
  forgetMarks(context, ns, key)
  context.changed(ns, `config/${key}`)
}
