import type { CommandOf } from '../command.ts'
import { configMeta, etag, writeValue } from './config.ts'
import type { Context } from '../context.ts'
import { uncheckedValue } from '../guarded.ts'
import type { Outcome } from '../outcome.ts'
import type { ConfigRecord } from '../tables/schema.ts'

/**
 * Takes a value back as a **new** version, also of a key that was deleted: versions go on, and what
 * was rolled back stays in the history. Bytes and type come from the event table of this very
 * state, so the command is small and nothing can come between. It hangs on no lease: the one that
 * the old value hung on is another story, and may be over.
 */
export function configRollback(context: Context, command: CommandOf<'config_rollback'>): Outcome {
  const { ns, key, to, by, comment } = command
  const stored = context.tables.config.find(ns, key)
  const current = etag(stored)
  const refusal = context.unexpected(command.expect, current)
  if (refusal !== null) return refusal
  if (stored === null) return context.notFound(`there never was a config key "${key}"`)
  const old = context.tables.chain.version(stored, to)
  if (old === null) return context.notFound(lackOf(stored, to))
  const unchecked = uncheckedValue(context, ns, key)
  if (unchecked !== null) return unchecked
  const { contentType, value } = old
  const put = { ns, key, contentType, value, comment, by, lease: null }
  const record = writeValue(context, { put, stored, created: current === null })
  const result = context.wanted ? ({ type: 'config', config: configMeta(record) } as const) : null
  return context.ok(current === null, result)
}

function lackOf({ key, version }: ConfigRecord, to: number): string {
  if (to > version) return `there is no version ${to} of "${key}": the newest is ${version}`
  return `version ${to} of "${key}" is no longer kept`
}
