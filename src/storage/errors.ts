/**
 * Why a log is refused at start. Both end the process with code 3 and change nothing on disk: the
 * wrong answer would be to go on with less than this node has promised.
 */

/** What an operator does with a node that cannot vouch for its data. */
export const REJOIN =
  'This node cannot vouch for what it promised. To rejoin: stop it, move its data directory away, ' +
  'start it again with --join URL of a member, or with its --cluster list where that names one; ' +
  'the cluster takes it back and gives it the data.'

/** What was found where something else had to be. */
export interface Damage {
  readonly file: string
  readonly offset: number
  readonly expected: string
  readonly actual: string
}

/** Damage before the end of what is known to have been durable: not a torn tail. */
export class WalDamaged extends Error {
  override readonly name = 'WalDamaged'
  readonly file: string
  readonly offset: number
  readonly expected: string
  readonly actual: string

  constructor(damage: Damage, options?: ErrorOptions) {
    const { file, offset, expected, actual } = damage
    super(
      `the log is damaged in ${file} at byte ${offset}: expected ${expected}, found ${actual}. ${REJOIN}`,
      options,
    )
    this.file = file
    this.offset = offset
    this.expected = expected
    this.actual = actual
  }
}

/**
 * - `node_id`: the directory belongs to another node than the flags say.
 * - `foreign_segment`: a segment of another log, or under another number than its own.
 * - `applied_index`: the database holds more, or something else, than the log.
 * - `member_kind`: a witness's log, opened as a data node's, or the other way round.
 * - `format_version`: written by another version of this program.
 */
export type MismatchReason =
  'node_id' | 'foreign_segment' | 'applied_index' | 'format_version' | 'member_kind'

/** The log is whole but is not the one that belongs here. */
export class WalMismatch extends Error {
  override readonly name = 'WalMismatch'
  readonly reason: MismatchReason
  readonly expected: string
  readonly actual: string

  constructor(
    reason: MismatchReason,
    detail: { readonly what: string; readonly expected: string; readonly actual: string },
  ) {
    super(`${detail.what}: expected ${detail.expected}, found ${detail.actual}`)
    this.reason = reason
    this.expected = detail.expected
    this.actual = detail.actual
  }
}

/** Whether `error` says that there is no room, which passes, unlike every other failed write. */
export function isOutOfSpace(error: unknown): boolean {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : null
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Anything thrown, as an error with its cause kept. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('the disk threw no error', { cause: thrown })
}
