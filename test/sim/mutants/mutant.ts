/** A planted bug: production source with one text replaced, in the test build alone. */
export interface Mutant extends Edit {
  readonly name: string
  /** The bug that shipped elsewhere, or the rule that is broken (RELIABILITY §2.9). */
  readonly source: string
  /** Where one place is not enough. */
  readonly more?: readonly Edit[]
}

export interface Edit {
  /** Below the repository. */
  readonly file: string
  /** Occurs exactly once in it. */
  readonly find: string
  readonly replace: string
}
