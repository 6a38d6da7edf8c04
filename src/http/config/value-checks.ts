/**
 * What is worked out about values beside the event loop: whether they parse, whether they fit their
 * schemas, and how two of them differ. All of it takes time that whoever writes the value decides,
 * so it has a budget, and a node goes on serving meanwhile.
 */
import type { Issue } from '../error.ts'

/** Formats with a syntax. */
export type ValueFormat = 'json' | 'yaml' | 'toml' | 'properties'

/** A schema on a prefix, as it was written. */
export interface SchemaText {
  readonly prefix: string
  readonly schema: Uint8Array
}

export type ValueJob =
  /** Of a value of a format with a syntax: that first, then the schemas. */
  | {
      readonly type: 'value'
      readonly format: ValueFormat | null
      readonly value: Uint8Array
      readonly schemas: readonly SchemaText[]
    }
  /** Whether that is a schema. */
  | { readonly type: 'schema'; readonly schema: Uint8Array }
  /** Which of these values do not fit. */
  | {
      readonly type: 'survey'
      readonly schema: SchemaText
      readonly values: readonly {
        readonly key: string
        readonly format: ValueFormat | null
        readonly value: Uint8Array
      }[]
    }
  | { readonly type: 'diff'; readonly from: DiffSide; readonly to: DiffSide }

export interface DiffSide {
  readonly name: string
  readonly text: string
}

export type ValueVerdict =
  | { readonly type: 'fine' }
  /** The value, or the schema, is not what its format says. */
  | { readonly type: 'malformed'; readonly message: string }
  | { readonly type: 'violates'; readonly issues: readonly Issue[] }
  | { readonly type: 'surveyed'; readonly failing: readonly string[] }
  | { readonly type: 'diff'; readonly text: string }
  /** It was ended: nobody knows what would have come of it. */
  | { readonly type: 'too_long' }
  /** Too many wait already: it was not begun. */
  | { readonly type: 'busy' }
  | { readonly type: 'failed'; readonly message: string }

export interface ValueChecks {
  /** Never rejects. Ends in the budget of one job, after those before it. */
  run(job: ValueJob): Promise<ValueVerdict>
}
