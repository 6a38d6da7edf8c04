/**
 * What a write was decided on must still hold when it is applied: the locks that fence it, and the
 * schemas that its values were checked against (DESIGN §8). All of it is judged before the first row
 * changes.
 */
import type { Command, CommandOf, SchemaGuard } from './command.ts'
import { schemaRevision } from './config/schemas.ts'
import type { Context } from './context.ts'
import type { Outcome, Refusal } from './outcome.ts'

/** Before it there were no schemas. */
const CHECKED_SINCE = 3

/** `run` applies what is guarded. */
export function guarded(
  context: Context,
  command: CommandOf<'guarded'>,
  run: (command: Command) => Outcome,
): Outcome {
  const { ns, fences, schemas } = command
  for (const { name, token } of fences) {
    if (!isHolder(context, ns, { name, token })) return staleToken(context, { name, token })
  }
  const changed = schemas.find((guard) => schemaRevision(context, ns, guard.key) !== guard.revision)
  if (changed !== undefined) return schemaChanged(context, changed)
  // The edge names every key that the write gives a value: whoever names none has checked none.
  context.checkedKeys = schemas.map(({ key }) => key)
  const outcome = run(command.command)
  context.checkedKeys = []
  return outcome
}

/** Whether that very grant of the lock is held at this entry. */
export function isHolder(
  context: Context,
  ns: string,
  { name, token }: { readonly name: string; readonly token: number },
): boolean {
  return context.tables.holdsLock(ns, name, token)
}

function staleToken(
  context: Context,
  { name, token }: { readonly name: string; readonly token: number },
): Refusal {
  return {
    ok: false,
    revision: context.revision,
    code: 'stale_token',
    detail: `the token ${token} is not a current holder of the lock "${name}"`,
  }
}

/**
 * Whether a value may be written to a key: where a schema governs it, only one that was checked. So a
 * write that names no schema says that there is none, and costs nothing more for it.
 */
export function uncheckedValue(context: Context, ns: string, key: string): Refusal | null {
  if (context.clusterVersion < CHECKED_SINCE || context.checkedKeys.includes(key)) return null
  return schemaRevision(context, ns, key) === null ? null : schemaChanged(context, { key })
}

function schemaChanged(context: Context, { key }: Pick<SchemaGuard, 'key'>): Refusal {
  return {
    ok: false,
    revision: context.revision,
    code: 'schema_changed',
    detail: `the schema of "${key}" changed while the value was on its way; nothing was applied`,
  }
}
