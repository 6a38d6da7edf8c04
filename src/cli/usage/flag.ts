import type { Command } from './commands.ts'

/** One row of the table of flags. */
export interface Flag<T> {
  /** What stands for the value in the help text; null for a switch, which takes none. */
  readonly value: string | null
  readonly about: string
  /** As one would write it; null where absence means something of its own. */
  readonly fallback: string | null
  readonly commands: readonly Command[]
  /** `before` is the value of the same flag further left: a list grows, all else takes the last. */
  readonly read: (text: string, before?: T | null) => T
  /**
   * Says what one call is to do, and so has neither a variable nor a key in a config file: there it
   * would be forgotten and bend every later call.
   */
  readonly onlyAsFlag?: boolean
  /** Not for users: kept out of the help text. */
  readonly hidden?: boolean
  /** What cannot be asked for yet is refused, never ignored: answers true where it is asked for. */
  readonly later?: (value: T) => boolean
}

export const flag = <T>(spec: Flag<T>): Flag<T> => spec

/** A flag of one call: `onlyAsFlag`, and without a default unless one is named. */
export const callFlag = <T>(
  spec: Omit<Flag<T>, 'fallback' | 'onlyAsFlag'> & { readonly fallback?: string },
): Flag<T> => ({ fallback: null, ...spec, onlyAsFlag: true })
