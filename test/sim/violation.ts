/** A promise that was broken: the seed found a bug. */
export class Violation extends Error {
  override readonly name = 'Violation'
  /** Which invariant or oracle found it. */
  readonly rule: string

  constructor(rule: string, detail: string) {
    super(detail)
    this.rule = rule
  }
}

export function insist(condition: boolean, rule: string, detail: () => string): void {
  if (!condition) throw new Violation(rule, detail())
}
