/**
 * The value of a key that one caller is given: the key's own, or a staged one (API.md "the effective
 * staged value for the caller's labels").
 *
 * A staged value has an ETag of its own, `"<version>-<stage>.<revision>"`: the key's version under
 * it (0: none) and the stage's revision. So a cache never takes one for the other, and `If-Match`
 * with it means nothing to a write.
 */
import type { Labels, StageRow, StateReader } from '../../state/mod.ts'
import type { ConfigRow } from '../../state/rows.ts'
import type { Asked } from '../edge.ts'
import { isKnown, isKnownTag } from '../request/etag.ts'
import type { Waitable } from '../read.ts'

export interface Effective {
  /** The key itself; null: absent. */
  readonly config: ConfigRow | null
  /** What this caller is given in its place; null: nothing. */
  readonly stage: StageRow | null
}

interface Key {
  readonly ns: string
  readonly key: string
  readonly labels: Labels
}

export function effectiveValue(state: StateReader, { ns, key, labels }: Key): Effective {
  return { config: state.config(ns, key), stage: state.stages.seenBy(ns, key, labels) }
}

/** A key as such a caller waits for it: changes of stages that it cannot see are none. */
export function effectiveWaitable({ ns, key, labels }: Key): Waitable {
  const target = { ns, topic: `config/${key}`, prefix: false }
  if (labels.size === 0) return { target, current: (state) => state.configRevision(ns, key) }
  return {
    target: { ...target, also: `stages/${key}` },
    current: (state) => state.stages.revisionFor(ns, key, labels),
  }
}

/** The answer to the read of a staged value; 304 where the caller has it. */
export function stagedAnswer(c: Asked, stage: StageRow, version: number): Response {
  const tag = stageTag(stage, version)
  const headers = { ETag: tag, 'Rollcall-Stage': stage.stage }
  if (isKnownTag(c, tag)) return new Response(null, { status: 304, headers })
  return rawStage(stage, headers)
}

function stageTag({ stage, revision }: StageRow, version: number): string {
  return `"${version}-${stage}.${revision}"`
}

/** Raw bytes that somebody else wrote, as every value: they must not run as a page of ours. */
function rawStage(
  { value, contentType }: StageRow,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(value, {
    headers: {
      'Content-Type': contentType,
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': 'sandbox',
      ...headers,
    },
  })
}

/** A staged value by its own name, for those who release it. */
export function stageAnswer(c: Asked, stage: StageRow): Response {
  const headers = {
    ETag: `"${stage.revision}"`,
    'Rollcall-Stage': stage.stage,
    'Rollcall-Stage-Rule': stage.rule,
  }
  if (isKnown(c, stage.revision)) return new Response(null, { status: 304, headers })
  return rawStage(stage, headers)
}
