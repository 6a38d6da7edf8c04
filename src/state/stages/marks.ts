/** The marks of stages: which callers saw a change of a key that others must not notice. */
import type { Context } from '../context.ts'

/**
 * Of one key, between two of its versions. Past it the oldest is dropped: whoever that rule alone
 * was about and comes back with an older `since` waits to the end, and is then answered right.
 */
const MARKS_PER_KEY_MAX = 64

/** Callers that match `rule` see a change of this stage by this entry. */
export function markStage(
  context: Context,
  stage: {
    readonly ns: string
    readonly key: string
    readonly name: string
    readonly rule: string
  },
): void {
  const { ns, key, name, rule } = stage
  const { stageMark, stageMarksOf } = context.tables
  const stored = stageMark.find(ns, key, name, rule)
  stageMark.put(stored, {
    ns,
    key,
    name,
    rule,
    createdRevision: stored?.createdRevision ?? context.revision,
    revision: context.revision,
    attributes: stored?.attributes ?? null,
  })
  for (const old of stageMarksOf(ns, key).slice(MARKS_PER_KEY_MAX)) stageMark.delete(old)
}

/** The key changed for everybody: that is newer than all of its marks. */
export function forgetMarks(context: Context, ns: string, key: string): void {
  const { stageMark, stageMarksOf } = context.tables
  for (const mark of stageMarksOf(ns, key)) stageMark.delete(mark)
}
