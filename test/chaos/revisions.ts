/**
 * The revision checker (RELIABILITY §3.1): every answer carries the revision that it reflects, so
 * the order of things is known and only has to be held against time, versions and values. Linear
 * where the search for an order is exponential, and the only judge of reads that may be stale.
 */
import { isStale, type Seen } from './seen.ts'

/** What is wrong with a history, in words; nothing for one that holds. */
export function revisionProblems(history: readonly Seen[]): readonly string[] {
  const answered = history.filter(({ revision }) => revision !== null)
  const keys = Map.groupBy(history, ({ key }) => key)
  return [
    ...notRevisions(answered),
    ...sharedRevisions(answered),
    ...timeProblems(answered.filter((seen) => !isStale(seen))),
    ...[...keys.values()].flatMap(valueProblems),
  ]
}

function notRevisions(answered: readonly Seen[]): readonly string[] {
  return answered
    .filter(({ revision }) => !Number.isSafeInteger(revision))
    .map((seen) => `${describe(seen)} carries no revision`)
}

function isWrite({ answer }: Seen): boolean {
  return answer?.type === 'written' || answer?.type === 'deleted'
}

/** One entry of the log, one write. */
function sharedRevisions(answered: readonly Seen[]): readonly string[] {
  const byRevision = Map.groupBy(answered.filter(isWrite), ({ revision }) => revision)
  return [...byRevision.values()]
    .filter((writes) => writes.length > 1)
    .map((writes) => `one revision for two writes: ${writes.map(describe).join(' and ')}`)
}

/** What was answered before a call began is not newer than the answer to that call. */
function timeProblems(answered: readonly Seen[]): readonly string[] {
  const byCall = [...answered].sort((a, b) => a.called - b.called)
  const byReturn = [...answered].sort((a, b) => (a.returned ?? 0) - (b.returned ?? 0))
  const problems: string[] = []
  let newest: Seen | null = null
  let at = 0
  for (const seen of byCall) {
    for (; at < byReturn.length; at++) {
      const before = byReturn[at] as Seen
      if ((before.returned ?? 0) >= seen.called) break
      if (newest === null || (before.revision ?? 0) > (newest.revision ?? 0)) newest = before
    }
    if (newest === null) continue
    const [known, now] = [newest.revision ?? 0, seen.revision ?? 0]
    if (now < known || (now === known && isWrite(seen))) {
      problems.push(`${describe(seen)} began after ${describe(newest)} had ended`)
    }
  }
  return problems
}

/** Of one key: a version has one value, and grows with the revision, for stale reads too. */
function valueProblems(history: readonly Seen[]): readonly string[] {
  const problems: string[] = []
  const values = new Map<number, string>()
  const writes = history.filter(isWrite)
  const mayVanish = history.some(({ call, answer }) => call.type === 'delete' && answer === null)
  for (const seen of history) {
    const told = versionOf(seen)
    if (told !== null) {
      const known = values.get(told.version) ?? told.value
      values.set(told.version, known)
      if (known !== told.value) {
        problems.push(`${describe(seen)}: version ${told.version} was something else before`)
      }
    }
    if (seen.call.type === 'get') problems.push(...readProblems(seen, writes, mayVanish))
  }
  return problems
}

function readProblems(read: Seen, writes: readonly Seen[], mayVanish: boolean): readonly string[] {
  const now = read.revision ?? 0
  const told = versionOf(read)
  const problems: string[] = []
  let last: Seen | null = null
  for (const write of writes) {
    const revision = write.revision ?? 0
    if (revision <= now && revision > (last?.revision ?? 0)) last = write
    const version = versionOf(write)?.version
    if (version === undefined || told === null) continue
    if (revision <= now ? version > told.version : version <= told.version) {
      problems.push(`${describe(read)} against ${describe(write)}`)
    }
  }
  if (told === null && last?.answer?.type === 'written' && !mayVanish) {
    problems.push(`${describe(read)}, but ${describe(last)} stands`)
  }
  return problems
}

function versionOf({ call, answer }: Seen): { version: number; value: string } | null {
  if (answer?.type === 'found') return answer
  if (answer?.type !== 'written' || call.type !== 'put') return null
  return { version: answer.version, value: call.value }
}

export function describe({ call, answer, key, client, node, revision, consistency }: Seen): string {
  const version = answer !== null && 'version' in answer ? ` v${answer.version}` : ''
  const what = `${consistency ?? ''} ${call.type} → ${answer?.type ?? 'unknown'}${version}`.trim()
  return `${client}@${node} ${key}: ${what} (revision ${revision})`
}
