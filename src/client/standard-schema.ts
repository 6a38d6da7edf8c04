/**
 * The interface that validators of TypeScript share (Standard Schema, version 1), as far as it is
 * needed here: any of them fits, and none is depended upon.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** With its path as the API writes paths: `a.b.0`. */
export function issueOf({ message, path = [] }: StandardIssue): { path: string; message: string } {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part))
  return { path: keys.map(String).join('.'), message }
}
