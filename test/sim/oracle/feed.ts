/** The change feed as the contract has it: which events there are, and who is told of which. */
import type { Entry } from '../../../src/raft/mod.ts'
import type { WatchTopic } from '../../../src/replica/mod.ts'
import { EVENT_KINDS, NO_NAMESPACE, type StoredEvent } from '../../../src/state/mod.ts'

/** What tells one event from all others, and to whom it belongs. */
export type ModelEvent = Pick<StoredEvent, 'revision' | 'n' | 'ns' | 'topic' | 'kind'>

/** A change of the members is told from clusterVersion 3 on. */
export function memberEvents(
  { type, index: revision }: Entry,
  clusterVersion: number,
): readonly ModelEvent[] {
  if (type !== 'membership' || clusterVersion < 3) return []
  const kind = EVENT_KINDS['member.changed']
  return [{ revision, n: 0, ns: NO_NAMESPACE, topic: 'members', kind }]
}

/** Whether a watch of these topics is told: by the words of API.md, topic by topic. */
export function isTold(topics: readonly WatchTopic[], { ns, topic }: ModelEvent): boolean {
  return topics.some((watched) => {
    if (watched.ns !== ns) return false
    if (watched.prefix) return topic.startsWith(watched.topic)
    const isService = watched.topic === 'services' || watched.topic.startsWith('services/')
    return topic === watched.topic || (isService && topic.startsWith(`${watched.topic}/`))
  })
}
