/** What a look-up of a service asks of its instances. */
import { effectiveStatus } from '../../state/mod.ts'
import type { InstanceRow } from '../../state/rows.ts'
import { invalid } from '../error.ts'
import { WAIT } from '../read.ts'
import type { Query } from '../request/query.ts'
import { HEALTH, INSTANCE_STATUS } from './words.ts'

export const METADATA = 'metadata.'
export const FILTERS = ['available', 'status', 'health', 'tag', 'zone', 'node']

type Test = (row: InstanceRow) => boolean

export interface Filters {
  /** Null: available or not. */
  readonly available: boolean | null
  /** All must hold. */
  readonly tests: readonly Test[]
  /** Equal only for filters that let the same instances through. */
  readonly text: string
}

const NONE: Filters = { available: null, tests: [], text: '' }

export function filtersOf(query: Query): Filters {
  const asked = query.sorted(WAIT) // What else may stand there are filters.
  if (asked.length === 0) return NONE
  return {
    available: query.flag('available'),
    tests: testsOf(query),
    text: JSON.stringify(asked),
  }
}

/** Every filter must hold; `tag` may stand several times, and then all tags must be there. */
function testsOf(query: Query): readonly Test[] {
  const tests: Test[] = []
  const status = query.oneOf('status', INSTANCE_STATUS)
  if (status !== null) tests.push((row) => effectiveStatus(row) === status)
  const health = query.oneOf('health', HEALTH)
  if (health !== null) tests.push((row) => row.health === health)
  const zone = query.name('zone')
  if (zone !== null) tests.push(({ spec }) => spec.zone === zone)
  const node = query.name('node')
  if (node !== null) tests.push(({ spec }) => spec.node === node)
  for (const tag of query.texts('tag')) tests.push(({ spec }) => spec.tags.includes(tag))
  for (const name of query.startingWith(METADATA)) tests.push(metadataTest(query, name))
  return tests
}

function metadataTest(query: Query, name: string): Test {
  const key = name.slice(METADATA.length)
  if (key === '') throw invalid(`?${METADATA}`, 'needs the key behind the dot')
  const wanted = query.text(name)
  return ({ spec: { metadata } }) => Object.hasOwn(metadata, key) && metadata[key] === wanted
}
