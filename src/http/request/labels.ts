/** What a caller says of itself: `Rollcall-Labels: zone=eu,instance=i-1`, or `?labels=`. */
import { nameProblem } from '../../lib/names.ts'
import type { Labels } from '../../state/mod.ts'
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'
import type { Query } from './query.ts'

const LABELS_MAX = 64

/**
 * No labels where neither says any. `?labels=` stands in place of the header; null: of a call that
 * has no such parameter.
 */
export function labelsOf(c: Asked, query: Query | null): Labels {
  const fromQuery = query?.literal('labels') ?? null
  if (fromQuery !== null) return parseLabels(fromQuery, '?labels')
  return parseLabels(c.req.header('Rollcall-Labels') ?? '', 'Rollcall-Labels')
}

function parseLabels(text: string, at: string): Labels {
  const labels = new Map<string, string>()
  if (text.trim() === '') return labels
  const parts = text.split(',', LABELS_MAX + 1)
  if (parts.length > LABELS_MAX) throw invalid(at, `has more than ${LABELS_MAX} labels`)
  for (const part of parts) {
    const equals = part.indexOf('=')
    if (equals < 0) throw invalid(at, 'must be labels such as zone=eu,instance=i-1')
    const label = word(part.slice(0, equals), at, 'label')
    if (labels.has(label)) throw invalid(at, `has the label "${label}" twice`)
    labels.set(label, word(part.slice(equals + 1), at, 'value'))
  }
  return labels
}

function word(raw: string, at: string, what: string): string {
  const text = raw.trim()
  const problem = nameProblem(text)
  if (problem !== null) throw invalid(at, `has a ${what} that ${problem}`)
  return text
}
