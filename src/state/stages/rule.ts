/**
 * Who a staged value is for: `zone=eu,us;percent=10` (API.md, `Rollcall-Stage-Rule`).
 *
 * Conditions are joined by `;` and must all hold. `label=a,b` holds for a caller whose label has
 * one of the values. `percent=N` holds for a stable share of the callers that name themselves by
 * the label `instance`: those whose bucket lies below N percent of 10,000. The bucket is
 *
 *     murmur3(namespace + "\n" + key + "\n" + stage + "\n" + instance) mod 10000
 *
 * over UTF-8 (`lib/murmur3.ts`). So a larger N keeps everybody who was in, and the shares of
 * different keys and stages are independent: nobody is always among the first.
 *
 * A rule is stored and travels as its canonical text: labels in the order of their bytes, values
 * likewise and each once, `percent` last.
 */
import { utf8 } from '../../lib/bytes.ts'
import { murmur3 } from '../../lib/murmur3.ts'
import { nameProblem } from '../../lib/names.ts'

/** What a caller says of itself. */
export type Labels = ReadonlyMap<string, string>

/** The label that tells callers apart, for `percent`. */
export const IDENTITY_LABEL = 'instance'

export interface StageRule {
  readonly conditions: readonly LabelCondition[]
  /** The share in hundredths of a percent; null: all. */
  readonly share: number | null
}

interface LabelCondition {
  readonly label: string
  readonly anyOf: readonly string[]
}

/** The value that a rule is asked about. */
export interface StageName {
  readonly ns: string
  readonly key: string
  readonly stage: string
}

const PERCENT = 'percent'
const BUCKETS = 10_000
const RULE_LENGTH_MAX = 2_048
const PERCENT_FORMAT = /^(\d{1,3})(?:\.(\d{1,2}))?$/

/** The rule that a text spells, or what is wrong with it, to follow the name of the field. */
export function parseStageRule(text: string): StageRule | string {
  if (text.length > RULE_LENGTH_MAX) return `is longer than ${RULE_LENGTH_MAX} characters`
  const conditions = new Map<string, LabelCondition>()
  let share: number | null = null
  for (const part of text.split(';')) {
    const equals = part.indexOf('=')
    if (equals < 0) return 'must be conditions such as zone=eu;percent=10'
    const label = part.slice(0, equals).trim()
    const values = part.slice(equals + 1)
    if (conditions.has(label) || (label === PERCENT && share !== null)) {
      return `has two conditions on "${label.slice(0, 64)}"; several values stand as a=x,y`
    }
    if (label === PERCENT) {
      share = parseShare(values.trim())
      if (share === null) return 'percent must be from 0 to 100, with at most two decimals'
      continue
    }
    const condition = parseCondition(label, values)
    if (typeof condition === 'string') return condition
    conditions.set(label, condition)
  }
  return { conditions: Array.from(conditions.values()).sort(byLabel), share }
}

function parseCondition(label: string, values: string): LabelCondition | string {
  const labelIssue = nameProblem(label)
  if (labelIssue !== null) return `has a label that ${labelIssue}`
  const anyOf = new Set(values.split(',').map((value) => value.trim()))
  for (const value of anyOf) {
    const issue = nameProblem(value)
    if (issue !== null) return `has a value of "${label}" that ${issue}`
  }
  return { label, anyOf: Array.from(anyOf).sort() } // ASCII: code units are bytes.
}

function parseShare(text: string): number | null {
  const [, whole, decimals = ''] = PERCENT_FORMAT.exec(text) ?? []
  if (whole === undefined) return null
  const share = Number(whole) * 100 + Number(decimals.padEnd(2, '0'))
  return share <= BUCKETS ? share : null
}

function byLabel(x: LabelCondition, y: LabelCondition): number {
  return x.label < y.label ? -1 : 1
}

/** The canonical text. */
export function formatStageRule({ conditions, share }: StageRule): string {
  const parts = conditions.map(({ label, anyOf }) => `${label}=${anyOf.join(',')}`)
  if (share !== null) parts.push(`${PERCENT}=${share / 100}`)
  return parts.join(';')
}

/** Whether a caller with these labels is given that staged value. */
function matchesStage(rule: StageRule, name: StageName, labels: Labels): boolean {
  const { conditions, share } = rule
  const fits = conditions.every(({ label, anyOf }) => anyOf.includes(labels.get(label) ?? ''))
  if (!fits || share === null) return fits
  const instance = labels.get(IDENTITY_LABEL)
  return instance !== undefined && bucketOf(name, instance) < share
}

/** From 0 to 9,999; stable for ever, since a release must not jump from caller to caller. */
export function bucketOf({ ns, key, stage }: StageName, instance: string): number {
  return murmur3(utf8([ns, key, stage, instance].join('\n'))) % BUCKETS
}

/** Like {@link matchesStage}, of a rule's text as it is stored. */
export function isStagedFor(rule: string, name: StageName, labels: Labels): boolean {
  if (labels.size === 0) return false // Every rule has a condition, and each asks for a label.
  const parsed = parseStageRule(rule)
  return typeof parsed !== 'string' && matchesStage(parsed, name, labels)
}
