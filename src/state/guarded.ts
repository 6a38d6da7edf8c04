/**
 * What a write was decided on must still hold when it is applied: the locks that fence it, and the
 * schemas that its values were checked against (DESIGN §8). All of it is judged before the first row
 * changes.
 */
import type { Command, CommandOf, SchemaGuard } from './command.ts'
import type { Context } from './context.ts'
import type { Outcome, Refusal } from './outcome.ts'

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
  return run(command.command)
}

/** Whether that very grant of the lock is held at this entry. */
export function isHolder(
  context: Context,
  ns: string,
  { name, token }: { readonly name: string; readonly token: number },
): boolean {
  return context.tables.holdsLock(ns, name, token)
}

/** Of the schema that governs a key; null where none does. */
export function schemaRevision(_context: Context, _ns: string, _key: string): number | null {
  return null // No command writes a schema, so none governs anything.
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

function schemaChanged(context: Context, { key }: SchemaGuard): Refusal {
  return {
    ok: false,
    revision: context.revision,
    code: 'schema_changed',
    detail: `the schema of "${key}" changed while the value was on its way; nothing was applied`,
  }
}
