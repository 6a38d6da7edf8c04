/**
 * Instances as the bytes of answers. Rows are immutable, so the JSON of one is kept with it for as
 * long as somebody keeps the row: it is no cache of its own, and can be neither stale nor too large.
 */
import type { InstanceRow } from '../../state/rows.ts'
import { declaredJson, revisionJson } from './instance-json.ts'

interface InstanceText {
  /** The JSON, without what remains of the TTL: that is another each time. */
  readonly text: string
  /** Where in it that stands. */
  readonly expiresAt: number
}

const texts = new WeakMap<InstanceRow, InstanceText>()

function textOf(row: InstanceRow): InstanceText {
  const known = texts.get(row)
  if (known !== undefined) return known
  const declared = JSON.stringify(declaredJson(row)).slice(0, -1)
  const text = `${declared},${JSON.stringify(revisionJson(row)).slice(1)}`
  const made = { text, expiresAt: declared.length }
  texts.set(row, made)
  return made
}

/** `JSON.stringify(instanceJson(row, expiresInMs))`. */
export function instanceText(row: InstanceRow, expiresInMs: number | null = null): string {
  const { text, expiresAt } = textOf(row)
  if (expiresInMs === null) return text
  return `${text.slice(0, expiresAt)},"expiresInMs":${expiresInMs}${text.slice(expiresAt)}`
}
