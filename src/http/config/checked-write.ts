/**
 * Writes of config values: each is checked before it is proposed, against its own syntax and the
 * schemas that govern its key, and names the schemas it was checked against. Where those are others
 * by the time it is applied, it is refused there, checked again, and proposed again.
 */
import { utf8Text } from '../../lib/bytes.ts'
import { whenKnown, type Later } from '../../lib/later.ts'
import { propertiesProblem } from '../../lib/properties.ts'
import type { Command, CommandOf, SchemaGuard } from '../../state/command.ts'
import type { Outcome } from '../../state/outcome.ts'
import type { StateReader } from '../../state/reader.ts'
import type { ConfigSchemaRow } from '../../state/rows.ts'
import type { Asked, Edge } from '../edge.ts'
import { ApiError, invalidAll, refused } from '../error.ts'
import type { Issue } from '../error.ts'
import { readLatest } from '../read.ts'
import type { Query } from '../request/query.ts'
import type { ValueFormat, ValueJob, ValueVerdict } from './value-checks.ts'
import { formatOf } from './value-format.ts'
import { decide } from '../write.ts'

/** A value that a request wants to be that of a key. */
export interface ConfigValue {
  readonly ns: string
  readonly key: string
  readonly contentType: string
  readonly value: Uint8Array
  /** Where it stands in the request, for the error: '' is the body, else such as `then.0`. */
  readonly at: string
}

/** Schemas change rarely: three times while one write is on its way is no accident. */
const ATTEMPTS_MAX = 3

/** Proposes `command`, which writes these values, and waits for what comes of it. */
export async function proposeValues(
  c: Asked,
  edge: Edge,
  query: Query,
  write: {
    readonly ns: string
    readonly command: Command
    /** As the state has them: of a rollback they are looked up there. */
    readonly values: (state: StateReader) => readonly ConfigValue[]
  },
): Promise<Extract<Outcome, { ok: true }>> {
  const { ns, command, values } = write
  for (let attempt = 1; ; attempt++) {
    const find = (state: StateReader) => values(state).map((value) => governed(state, value))
    // What this node has applied is nearly always right; apply finds out where it is not.
    const found = attempt === 1 ? find(edge.registry.local) : await readLatest(c, edge, query, find)
    const schemas = await checkConfigValues(edge, found)
    const guarded = { type: 'guarded', ns, fences: [], schemas, command } as const
    const outcome = await decide(c, edge, query, schemas.length === 0 ? command : guarded)
    if (outcome.ok) return outcome
    if (outcome.code !== 'schema_changed' || attempt === ATTEMPTS_MAX) throw refused(outcome)
  }
}

/** A value with the schemas that govern its key. */
export interface GovernedValue extends ConfigValue {
  readonly schemas: readonly ConfigSchemaRow[]
}

export function governed(state: StateReader, value: ConfigValue): GovernedValue {
  return { ...value, schemas: state.configSchemasOf(value.ns, value.key) }
}

/** The value that a rollback writes; none where there is nothing to check, or to roll back to. */
export function rolledBack(
  state: StateReader,
  { ns, key, to }: CommandOf<'config_rollback'>,
  at: string,
): readonly ConfigValue[] {
  // It parsed when it was written, and where the version is not there the write itself says so.
  if (state.configSchemasOf(ns, key).length === 0) return []
  const old = state.configVersion(ns, key, to)
  return old === null ? [] : [{ ns, key, contentType: old.contentType, value: old.value, at }]
}

/**
 * Checks values one after the other; what `guarded` must name for those that schemas govern.
 *
 * @throws {ApiError} `invalid_request` for a value that is not of its type, `schema_violation` for
 * one that does not fit or takes too long, `too_many_requests` where too many are being checked.
 */
export async function checkConfigValues(
  edge: Edge,
  values: readonly GovernedValue[],
): Promise<readonly SchemaGuard[]> {
  const guards = new Map<string, SchemaGuard>()
  for (const value of values) {
    const checked = checkConfigValue(edge, value)
    if (checked !== undefined) await checked
    const { key, schemas } = value
    if (schemas.length === 0) continue
    guards.set(key, { key, revision: Math.max(...schemas.map(({ revision }) => revision)) })
  }
  return [...guards.values()]
}

/** Answers a promise only where it takes time. */
function checkConfigValue(edge: Edge, value: GovernedValue): Later<void> {
  const { contentType, schemas } = value
  const format = formatOf(contentType)
  const job = { type: 'value', format, value: value.value, schemas } as const
  const verdict = schemas.length === 0 ? parsed(edge, job) : runJob(edge, job)
  return whenKnown(verdict, (known) => judge(known, value))
}

function judge(verdict: ValueVerdict, { schemas, at }: GovernedValue): void {
  switch (verdict.type) {
    case 'fine':
      return
    case 'malformed':
      throw invalidAll([{ path: at, message: verdict.message }])
    case 'violates':
      throw violation(verdict.issues.map((issue) => within(at, issue)))
    default:
      throw tooLong(at, schemas.length > 0)
  }
}

type ValueCheck = Extract<ValueJob, { type: 'value' }>

/** What takes no longer than reading the bytes is done at once. */
function parsed(edge: Edge, job: ValueCheck): Later<ValueVerdict> {
  const { format, value } = job
  if (format === null) return { type: 'fine' }
  if (format === 'json' || format === 'properties') return parsedHere(format, value)
  return runJob(edge, job)
}

function parsedHere(format: ValueFormat, value: Uint8Array): ValueVerdict {
  const name = format === 'json' ? 'JSON' : 'properties'
  const malformed = (why: string): ValueVerdict => {
    return { type: 'malformed', message: `is not valid ${name}: ${why}` }
  }
  const text = utf8Text(value)
  if (text === null) return malformed('it is not UTF-8')
  if (format === 'properties') {
    const problem = propertiesProblem(text)
    return problem === null ? { type: 'fine' } : malformed(problem)
  }
  try {
    JSON.parse(text)
    return { type: 'fine' }
  } catch (error) {
    return malformed((error as Error).message)
  }
}

/** Beside the loop, in its time. */
export async function runJob(edge: Edge, job: ValueJob): Promise<ValueVerdict> {
  if (edge.checks === null) throw new ApiError('internal', 'this node has nothing to check values')
  const verdict = await edge.checks.run(job)
  if (verdict.type === 'busy') {
    const detail =
      'too many values are being checked; nothing was applied, try again a little later'
    throw new ApiError('too_many_requests', detail)
  }
  if (verdict.type !== 'failed') return verdict
  edge.logger.error('a value could not be checked', { error: verdict.message })
  throw new ApiError('internal', 'the value could not be checked; the log of the node says why')
}

function within(at: string, { path, message }: Issue): Issue {
  return { path: `${at}${path}`, message }
}

export function violation(issues: readonly Issue[]): ApiError {
  const [first] = issues
  const where = first?.path === '' ? 'the value' : first?.path
  const detail = first === undefined ? 'the value does not fit' : `${where} ${first.message}`
  return new ApiError('schema_violation', `${detail}; nothing was applied`, { issues })
}

function tooLong(path: string, hasSchema: boolean): ApiError {
  const what = hasSchema
    ? 'took too long to check, and the check was ended: simplify its schemas, or the value'
    : 'took too long to parse, and that was ended: split it, or write it as text/plain'
  return violation([{ path, message: what }])
}
