/**
 * Changes of the members, and how they fared, as bytes between two nodes: positional lists with a
 * number in front that is never used for anything else.
 */
import { decode, encode, MsgpackError } from '../../lib/msgpack.ts'
import { nameProblem } from '../../lib/names.ts'
import type { JoinRole } from '../../mesh/peer.ts'
import type { MemberChange, MemberRole, WantedMember } from './member-change.ts'

/** Bytes that no node of this release sends. */
export class MemberCodecError extends Error {
  override readonly name = 'MemberCodecError'
}

/** A question to the leader. */
export interface MemberRequest {
  readonly change: MemberChange | { readonly type: 'transfer'; readonly to: string | null }
  readonly force: boolean
  /** How long the leader may wait for what stands in the way. */
  readonly waitMs: number
}

export type MemberResult =
  | {
      readonly ok: true
      /** Of the entry, or of the membership that was so already. */
      readonly index: number
      readonly warnings: readonly string[]
      /** The membership now, in the core's encoding. */
      readonly membership: Uint8Array
      readonly leader: string | null
    }
  | {
      readonly ok: false
      readonly code: 'conflict' | 'not_found' | 'invalid_request'
      readonly detail: string
    }

const KINDS = ['add', 'remove', 'set', 'join', 'transfer'] as const
const ROLES: readonly MemberRole[] = ['voter', 'learner', 'witness']
const JOIN_ROLES: readonly (JoinRole | null)[] = ['voter', 'learner', null]
const CODES = ['conflict', 'not_found', 'invalid_request'] as const

export function encodeMemberRequest({ change, force, waitMs }: MemberRequest): Uint8Array {
  return encode([KINDS.indexOf(change.type), force, waitMs, layOut(change)])
}

function layOut(change: MemberRequest['change']): unknown {
  switch (change.type) {
    case 'add':
      return layOutMember(change)
    case 'remove':
      return change.id
    case 'set':
      return change.members.map(layOutMember)
    case 'join': {
      const { id, incarnation, url, role, witness } = change
      return [id, incarnation, url, JOIN_ROLES.indexOf(role), witness]
    }
    case 'transfer':
      return change.to
  }
}

function layOutMember({ id, url, role }: WantedMember): unknown {
  return [id, url, ROLES.indexOf(role)]
}

/** Throws {@link MemberCodecError}: what gets into the membership was read first. */
export function decodeMemberRequest(bytes: Uint8Array): MemberRequest {
  const [kind, force, waitMs, body] = list(read(bytes), 4)
  check(typeof force === 'boolean')
  const change = readChange(known(KINDS, kind), body)
  return { change, force, waitMs: Math.min(count(waitMs), WAIT_MS_MAX) }
}

/** Whatever a peer asks for, a request leaves its place in the queue by then. */
const WAIT_MS_MAX = 600_000

function readChange(type: (typeof KINDS)[number], body: unknown): MemberRequest['change'] {
  switch (type) {
    case 'add':
      return { type, ...readMember(body) }
    case 'remove':
      return { type, id: name(body) }
    case 'set':
      check(Array.isArray(body))
      return { type, members: body.map(readMember) }
    case 'join': {
      const [id, incarnation, url, role, witness] = list(body, 5)
      check(typeof witness === 'boolean')
      const who = { id: name(id), incarnation: text(incarnation), url: urlOrNull(url) }
      return { type, ...who, role: known(JOIN_ROLES, role), witness }
    }
    case 'transfer':
      return { type, to: textOrNull(body) }
  }
}

function readMember(value: unknown): WantedMember {
  const [id, url, role] = list(value, 3)
  return { id: name(id), url: urlOrNull(url), role: known(ROLES, role) }
}

export function encodeMemberResult(result: MemberResult): Uint8Array {
  if (!result.ok) return encode([CODES.indexOf(result.code), result.detail])
  const { index, warnings, membership, leader } = result
  return encode([null, index, warnings, membership, leader])
}

export function decodeMemberResult(bytes: Uint8Array): MemberResult {
  const value = read(bytes)
  check(Array.isArray(value))
  const parts = value as unknown[]
  if (parts[0] !== null) {
    const [code, detail] = list(value, 2)
    return { ok: false, code: known(CODES, code), detail: text(detail) }
  }
  const [, index, warnings, membership, leader] = list(value, 5)
  check(Array.isArray(warnings))
  check(membership instanceof Uint8Array)
  const words = warnings.map(text)
  return { ok: true, index: count(index), warnings: words, membership, leader: textOrNull(leader) }
}

function check(condition: boolean): asserts condition {
  if (!condition) throw new MemberCodecError('a change of the members that cannot be read')
}

function read(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (cause) {
    if (!(cause instanceof MsgpackError)) throw cause
    throw new MemberCodecError(cause.message, { cause })
  }
}

/** A name as the handshake would take it, too. */
function name(value: unknown): string {
  check(typeof value === 'string' && nameProblem(value) === null)
  return value
}

function urlOrNull(value: unknown): string | null {
  check(value === null || (typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value)))
  return value
}

function list(value: unknown, length: number): readonly unknown[] {
  check(Array.isArray(value) && value.length === length)
  return value as unknown[]
}

function text(value: unknown): string {
  check(typeof value === 'string')
  return value
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : text(value)
}

function count(value: unknown): number {
  check(Number.isSafeInteger(value) && (value as number) >= 0)
  return value as number
}

function known<T>(of: readonly T[], at: unknown): T {
  const found = of[count(at)]
  check(found !== undefined)
  return found
}
