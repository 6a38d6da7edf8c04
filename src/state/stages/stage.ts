/**
 * Staged release: a value of a key for the callers that match a rule, until it is promoted or
 * aborted.
 *
 * ```
 *              put ──▶ staged ──promote──▶ the key's next version
 *                       │  ▲
 *                       │  └── put: other bytes, or another rule
 *                       └──delete──▶ gone, nothing happened
 * ```
 * Invariant: whoever matches no rule sees no trace. Nothing here touches the key's row, its version,
 * its topic or its prefix; events stand under `stages/{key}`, not under `config/{key}`.
 */
import { assert, present } from '../../lib/assert.ts'
import { utf8, utf8Text } from '../../lib/bytes.ts'
import { encode } from '../../lib/msgpack.ts'
import type { CommandOf } from '../command.ts'
import { etag, configPut } from '../config/config.ts'
import type { Context } from '../context.ts'
import { EVENT_KINDS } from '../events/event.ts'
import { unpin } from '../config/history.ts'
import type { Outcome } from '../outcome.ts'
import type { StageMeta } from '../rows.ts'
import type { ConfigStageRecord } from '../tables/schema.ts'
import { markStage } from './marks.ts'
import { choice, count, decodePlain, key, name, nullable, struct, text } from '../codec/wire.ts'

/** Far more releases of one key at a time than anybody can keep apart. */
const STAGES_PER_KEY_MAX = 16

/** What the event `config.staged` says: what happened, and which callers it is about. */
export interface StagedEvent {
  readonly stage: string
  readonly action: 'staged' | 'aborted' | 'promoted'
  /** Callers that match it saw the stage until now; null: it is new. */
  readonly ruleBefore: string | null
  /** Callers that match it see the stage from now on; null: it is over. */
  readonly rule: string | null
  readonly contentType: string
  readonly baseVersion: number
  readonly by: string | null
  readonly comment: string | null
}

const eventBody = struct<StagedEvent>({
  stage: name,
  action: choice('staged', 'aborted', 'promoted'),
  ruleBefore: nullable(text),
  rule: nullable(text),
  contentType: key,
  baseVersion: count,
  by: nullable(text),
  comment: nullable(text),
})

/** The body of an event of kind `config.staged`, for those who deliver it. */
export function stagedEvent(body: Uint8Array): StagedEvent {
  return eventBody.from(decodePlain(body), 'event')
}

export function stageMeta(record: ConfigStageRecord): StageMeta {
  const { name: stage, updatedBy, comment, ...rest } = record
  const { ns, key, rule, contentType, baseVersion, size } = rest
  const { revision, createdRevision, createdAtMs, updatedAtMs } = rest
  return {
    ns,
    key,
    stage,
    rule,
    contentType,
    baseVersion,
    size,
    comment: comment === null ? null : utf8Text(comment),
    updatedBy: updatedBy === null ? null : utf8Text(updatedBy),
    revision,
    createdRevision,
    createdAtMs,
    updatedAtMs,
  }
}

export function stagePut(context: Context, put: CommandOf<'config_stage_put'>): Outcome {
  const { tables } = context
  const { ns, key, stage } = put
  const stored = tables.stage.find(ns, key, stage)
  const refusal = context.unexpected(put.expect, stored?.revision ?? null)
  if (refusal !== null) return refusal
  if (stored === null && tables.stagesOf(ns, key).length >= STAGES_PER_KEY_MAX) {
    const detail = `"${key}" has ${STAGES_PER_KEY_MAX} stages already: promote or abort one first`
    return context.conflict(detail)
  }
  const record = writeStage(context, put, stored)
  if (stored !== null && stored.rule !== put.rule) markStage(context, stored)
  markStage(context, record)
  context.changed(ns, `stages/${key}`)
  const result = context.wanted ? ({ type: 'stage', stage: stageMeta(record) } as const) : null
  return context.ok(stored === null, result)
}

function writeStage(
  context: Context,
  put: CommandOf<'config_stage_put'>,
  stored: ConfigStageRecord | null,
): ConfigStageRecord {
  const { ns, key, stage, rule, contentType, value, by, comment } = put
  const baseVersion = etag(context.tables.config.find(ns, key)) ?? 0
  const ruleBefore = stored?.rule ?? null
  const head = { stage, action: 'staged', ruleBefore, rule } as const
  const body = { ...head, contentType, baseVersion, by, comment }
  const record: ConfigStageRecord = {
    ns,
    key,
    name: stage,
    rule,
    contentType,
    baseVersion,
    size: value.length,
    updatedBy: by === null ? null : utf8(by),
    comment: comment === null ? null : utf8(comment),
    eventRevision: context.revision,
    eventN: emit(context, { ns, key, body, value }),
    ...context.tail(stored),
  }
  context.tables.stage.put(stored, record)
  if (stored !== null) unpin(context, stored.eventRevision, stored.eventN)
  return record
}

export function stageDelete(context: Context, command: CommandOf<'config_stage_delete'>): Outcome {
  const { ns, key, stage, by } = command
  const stored = context.tables.stage.find(ns, key, stage)
  const refusal = context.unexpected(command.expect, stored?.revision ?? null)
  if (refusal !== null) return refusal
  if (stored !== null) {
    endStage(context, stored, { action: 'aborted', by, comment: null })
    markStage(context, stored)
  }
  return context.ok(false, null)
}

/**
 * An ordinary put of the staged bytes, with all that is asked of one. Unless the caller says what
 * to expect, the key must be as it was when the bytes were staged: what was released to all
 * meanwhile, a fix perhaps, is not undone in silence.
 */
export function stagePromote(
  context: Context,
  command: CommandOf<'config_stage_promote'>,
): Outcome {
  const { ns, key, stage, by, stageRevision } = command
  const stored = context.tables.stage.find(ns, key, stage)
  if (stored === null) return context.notFound(`nothing is staged for "${key}" as "${stage}"`)
  if (stageRevision !== null && stageRevision !== stored.revision) {
    return context.conflict(`"${stage}" was staged anew meanwhile: look at it and promote it again`)
  }
  const expect = command.expect ?? { match: [stored.baseVersion], absent: false }
  const comment = command.comment ?? textOrNull(stored.comment)
  const { contentType } = stored
  const value = stagedValue(context, stored)
  const put = { ns, key, contentType, value, comment, by, lease: null, expect } as const
  const outcome = configPut(context, { type: 'config_put', ...put })
  if (!outcome.ok && outcome.code === 'version_mismatch' && command.expect === null) {
    const why = `"${key}" has changed since version ${stored.baseVersion}, on which it was staged`
    const then = 'stage it anew, or name with If-Match the version to replace'
    return { ...outcome, detail: `${why}: ${outcome.detail}; ${then}` }
  }
  // The new version is a change for everybody, so no mark is needed.
  if (outcome.ok) endStage(context, stored, { action: 'promoted', by, comment })
  return outcome
}

function stagedValue(
  context: Context,
  { eventRevision, eventN, size }: ConfigStageRecord,
): Uint8Array {
  const event = present(context.tables.event.find(eventRevision, eventN), 'a stage has its event')
  const value = present(event.value, 'that event holds the value')
  assert(value.length === size, 'a staged value has the size that its stage says')
  return value
}

function endStage(
  context: Context,
  stored: ConfigStageRecord,
  end: Pick<StagedEvent, 'action' | 'by' | 'comment'>,
): void {
  const { ns, key, name: stage, rule: ruleBefore, contentType, baseVersion } = stored
  const body = { stage, ruleBefore, rule: null, contentType, baseVersion, ...end }
  emit(context, { ns, key, body, value: null })
  context.tables.stage.delete(stored)
  unpin(context, stored.eventRevision, stored.eventN)
  context.changed(ns, `stages/${key}`)
}

function emit(
  context: Context,
  event: {
    readonly ns: string
    readonly key: string
    readonly body: StagedEvent
    readonly value: Uint8Array | null
  },
): number {
  const { ns, key, body, value } = event
  return context.emit({
    ns,
    topic: `stages/${key}`,
    kind: EVENT_KINDS['config.staged'],
    body: encode(eventBody.to(body, 'event')),
    value,
  })
}

function textOrNull(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : utf8Text(bytes)
}
