/** `Rollcall-Lock: <name>=<token>`: a write that counts only while its sender holds the lock. */
import { nameProblem } from '../../lib/names.ts'
import type { Command, Fence } from '../../state/command.ts'
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'
import { namespaceOf } from '../request/namespace.ts'
import type { Query } from '../request/query.ts'

const HEADER = 'Rollcall-Lock'
/** Nobody holds more locks at a time for one write. */
const FENCES_MAX = 16
const TOKEN = /^[1-9]\d{0,15}$/

/** What the header names; several locks in several headers, or separated by commas. */
export function fences(c: Asked): readonly Fence[] {
  const header = c.req.header(HEADER)
  if (header === undefined) return []
  const parts = header.split(',', FENCES_MAX + 1)
  if (parts.length > FENCES_MAX) throw invalid(HEADER, `names more than ${FENCES_MAX} locks`)
  return parts.map((part) => parseFence(part.trim()))
}

function parseFence(text: string): Fence {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  const problem = nameProblem(name)
  if (problem !== null) throw invalid(HEADER, `has a lock's name that ${problem}`)
  const digits = equals < 0 ? '' : text.slice(equals + 1)
  const token = TOKEN.test(digits) ? Number(digits) : Number.NaN
  if (Number.isSafeInteger(token)) return { name, token }
  throw invalid(HEADER, 'must be <name>=<token>, the token being the number that the grant gave')
}

/** The command with the fences of its request; whoever guards it already keeps those guards. */
export function fenced(c: Asked, query: Query, command: Command): Command {
  const given = fences(c)
  if (given.length === 0) return command
  const ns = namespaceOf(c, query)
  if (command.type === 'guarded') return { ...command, fences: [...command.fences, ...given] }
  return { type: 'guarded', ns, fences: given, schemas: [], command }
}
