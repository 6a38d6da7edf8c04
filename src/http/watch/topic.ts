/** `?topic=` of a watch: which resources it is about. */
import { keyProblem, nameProblem, prefixProblem } from '../../lib/names.ts'
import { nearest } from '../../lib/nearest.ts'
import { clip } from '../../lib/text.ts'
import type { WatchTopic } from '../../replica/watch/watch.ts'
import { NO_NAMESPACE } from '../../state/mod.ts'
import { invalid } from '../error.ts'

const FORMS = ['services', 'services/{name}', 'config/{key}', 'config/{prefix}*', 'locks/{name}']
const ALL_FORMS = [...FORMS, 'members'].join(', ')
/** Of a topic that an error repeats. */
const SHOWN_MAX = 100
const KINDS = ['services', 'config', 'locks', 'members']

/** The same topic in another spelling is one topic. */
export function watchTopic(text: string, ns: string): WatchTopic {
  const slash = text.indexOf('/')
  const kind = slash < 0 ? text : text.slice(0, slash)
  const rest = slash < 0 ? null : text.slice(slash + 1)
  if (kind === 'members' && rest === null) {
    return { ns: NO_NAMESPACE, topic: 'members', prefix: false }
  }
  if (kind === 'services' && rest === null) return { ns, topic: 'services', prefix: false }
  if (kind === 'services' && rest !== null) return named(text, ns, rest)
  if (kind === 'locks' && rest !== null) return named(text, ns, rest)
  if (kind === 'config' && rest !== null) return config(text, ns, rest)
  throw unknownTopic(text, kind)
}

function named(topic: string, ns: string, name: string): WatchTopic {
  const problem = nameProblem(name)
  if (problem !== null) throw invalid('?topic', `"${clip(topic, SHOWN_MAX)}": the name ${problem}`)
  return { ns, topic, prefix: false }
}

function config(text: string, ns: string, key: string): WatchTopic {
  const prefix = key.endsWith('*')
  const name = prefix ? key.slice(0, -1) : key
  const problem = prefix ? prefixProblem(name) : keyProblem(name)
  if (problem === null) return { ns, topic: prefix ? text.slice(0, -1) : text, prefix }
  const isList = !prefix && (key === '' || key.endsWith('/'))
  const hint = isList ? `; did you mean "${clip(text, SHOWN_MAX)}*"?` : ''
  throw invalid(
    '?topic',
    `"${clip(text, SHOWN_MAX)}": the ${prefix ? 'prefix' : 'key'} ${problem}${hint}`,
  )
}

function unknownTopic(text: string, kind: string): Error {
  const near = nearest(kind, KINDS)
  const meant = FORMS.concat('members').find((form) => form.split('/')[0] === near)
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  return invalid('?topic', `"${clip(text, SHOWN_MAX)}" is none of ${ALL_FORMS}${hint}`)
}
