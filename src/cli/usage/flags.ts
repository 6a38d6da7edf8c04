/**
 * The one table of flags, with those of `flags-calls.ts`. The parser, the variables (`--wal-segment`
 * is `ROLLCALL_WAL_SEGMENT`), the keys of a config file, the help text and the types of the values
 * all come from it.
 */
import { flag } from './flag.ts'
import type { Flag } from './flag.ts'
import { CALL_FLAGS, CALLS, TIMED } from './flags-calls.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../nodes/logger.ts'
import {
  bytesBetween,
  oneOf,
  readAddress,
  readAge,
  readCluster,
  readDuration,
  readName,
  readPercent,
  readRange,
  readSwitch,
  readText,
  readUrl,
  readUrls,
  wholeBetween,
} from './values.ts'

const NODES = ['serve', 'dev'] as const
const SERVE = ['serve'] as const
/** Calls whose output is what somebody wrote, or ran, and so has no form of its own. */
const SHOWN = CALLS.filter((name) => !['lock', 'config export', 'config edit'].includes(name))
/** They ask a node that runs. */
const ASKING = ['status', 'member', 'transfer'] as const

export type { Flag } from './flag.ts'

export const FLAGS = {
  id: flag({
    value: 'NAME',
    about: 'name of this node in its cluster; generated and stored when none is given',
    fallback: null,
    commands: SERVE,
    read: readName,
  }),
  listen: flag({
    value: 'HOST:PORT',
    about: 'where the API, the mesh and the health endpoints listen; dev counts up from here',
    fallback: '127.0.0.1:7400',
    commands: NODES,
    read: readAddress,
  }),
  'peer-listen': flag({
    value: 'HOST:PORT',
    about: 'a port of its own for the mesh',
    fallback: null,
    commands: SERVE,
    read: readAddress,
  }),
  advertise: flag({
    value: 'URL',
    about:
      'how others reach this node, where --listen does not say it; none: they do not, it dials them all, from behind NAT say',
    fallback: null,
    commands: SERVE,
    read: (text: string) => (text === 'none' ? 'none' : readUrl(text)),
  }),
  data: flag({
    value: 'DIR',
    about: 'data directory; default ./rollcall-data, for dev a temporary one',
    fallback: null,
    commands: ['serve', 'dev', 'recover'],
    read: readText,
  }),
  'force-new-cluster': flag({
    value: null,
    about: 'make this node the only voter of a new cluster; without it nothing is changed',
    fallback: null,
    commands: ['recover'],
    read: readSwitch,
  }),
  yes: flag({
    value: null,
    about: 'do it without asking',
    fallback: null,
    commands: ['recover'],
    read: readSwitch,
  }),
  cluster: flag({
    value: 'ID=URL,…',
    about: 'all nodes of a new cluster; used at the first start only',
    fallback: null,
    commands: SERVE,
    read: readCluster,
  }),
  join: flag({
    value: 'URL',
    about: 'join the cluster of that node; used at the first start only',
    fallback: null,
    commands: SERVE,
    read: readUrl,
  }),
  role: flag({
    value: 'voter|learner|witness',
    about: 'what to join as; a voter is a learner until it has caught up; default voter',
    fallback: null,
    commands: ['serve', 'member'],
    read: oneOf(['voter', 'learner', 'witness']),
  }),
  witness: flag({
    value: null,
    about: 'this node votes and keeps no data, a few MiB in all: with --join or --cluster',
    fallback: null,
    commands: SERVE,
    read: readSwitch,
  }),
  'cluster-secret-file': flag({
    value: 'FILE',
    about: 'secret that all nodes share; needed unless every address is loopback',
    fallback: null,
    commands: SERVE,
    read: readText,
  }),
  auth: flag({
    value: null,
    about: 'demand tokens from clients',
    fallback: null,
    commands: SERVE,
    read: readSwitch,
    later: (on: boolean) => on,
  }),
  insecure: flag({
    value: null,
    about: 'allow a listener beyond loopback without --auth: anyone who reaches it may do all',
    fallback: null,
    commands: SERVE,
    read: readSwitch,
  }),
  timing: flag({
    value: 'lan|wan',
    about: 'heartbeat and election timeout for a local or a wide network',
    fallback: 'lan',
    commands: NODES,
    read: oneOf(['lan', 'wan']),
  }),
  heartbeat: flag({
    value: 'DURATION',
    about: 'between two rounds of an idle leader; default 100ms, for wan 500ms',
    fallback: null,
    commands: NODES,
    read: readDuration,
  }),
  'election-timeout': flag({
    value: 'MIN..MAX',
    about: 'silence after which a node stands for election; default 600ms..1s, for wan 3s..5s',
    fallback: null,
    commands: NODES,
    read: readRange,
  }),
  'clock-drift': flag({
    value: 'PERCENT',
    about: 'how far the rate of any clock may be off',
    fallback: '5%',
    commands: NODES,
    read: readPercent,
  }),
  'remove-dead-after': flag({
    value: 'DURATION',
    about:
      'remove members that the leader has not reached for so long, where three voters, two of them with data, and a quorum are left; without it nobody is removed',
    fallback: null,
    commands: SERVE,
    read: readDuration,
  }),
  'history-versions': flag({
    value: 'N',
    about: 'versions of each config key that are kept whatever their age; the same on every node',
    fallback: '1000',
    commands: SERVE,
    read: wholeBetween(1, 1_000_000),
  }),
  'history-age': flag({
    value: 'DURATION',
    about: 'versions beyond them are kept until they are so old; the same on every node',
    fallback: '0s',
    commands: SERVE,
    read: readAge,
  }),
  'watch-history': flag({
    value: 'DURATION',
    about: 'how far back a watch may resume; the same on every node',
    fallback: '1h',
    commands: SERVE,
    read: readAge,
  }),
  'watch-history-max': flag({
    value: 'N',
    about: 'revisions that a watch may resume over at most, however young they are',
    fallback: '1000000',
    commands: SERVE,
    read: wholeBetween(1_000, 100_000_000),
  }),
  sqlite: flag({
    value: 'bun|node|sql.js',
    about: 'SQLite driver; chosen by what loads when none is given',
    fallback: null,
    commands: NODES,
    read: oneOf(['bun', 'node', 'sql.js']),
  }),
  /** From 4MiB on a log takes entries of one size, so what a leader writes its followers can. */
  'wal-segment': flag({
    value: 'SIZE',
    about: 'size of one file of the log',
    fallback: '64MiB',
    commands: NODES,
    read: bytesBetween('4MiB', '1GiB'),
  }),
  /** Sizes that fit nearly everybody: kept out of the help text, told in the README. */
  'wal-tail': flag({
    value: 'SIZE',
    about: 'end of the log that is kept for nodes that were away for a moment',
    fallback: '64MiB',
    commands: NODES,
    read: bytesBetween('64KiB', '64GiB'),
    hidden: true,
  }),
  'wal-max': flag({
    value: 'SIZE',
    about: 'log past which a node that is behind is left to a snapshot',
    fallback: '1GiB',
    commands: NODES,
    read: bytesBetween('1MiB', '64GiB'),
    hidden: true,
  }),
  'checkpoint-size': flag({
    value: 'SIZE',
    about: 'what may pile up beside the database before it is moved into its file',
    fallback: '16MiB',
    commands: NODES,
    read: bytesBetween('64KiB', '1GiB'),
    hidden: true,
  }),
  'apply-batch': flag({
    value: 'N',
    about: 'most entries of the log that one transaction of the state applies, a replay included',
    fallback: '1000',
    commands: NODES,
    read: wholeBetween(1, 10_000),
    hidden: true,
  }),
  nodes: flag({
    value: 'N',
    about: 'how many nodes to run',
    fallback: '3',
    commands: ['dev'],
    read: wholeBetween(1, 9),
  }),
  endpoint: flag({
    value: 'URL',
    about: 'the node to ask; or several, with commas between, of which one answers',
    fallback: 'http://127.0.0.1:7400',
    commands: [...ASKING, ...CALLS, '__complete'],
    read: readUrls,
  }),
  url: flag({
    value: 'URL',
    about: 'where the member is reached; needed to add one that is not there yet',
    fallback: null,
    commands: ['member'],
    read: readUrl,
  }),
  force: flag({
    value: null,
    about: 'change the members even where too few of them can be reached to decide anything',
    fallback: null,
    commands: ['member'],
    read: readSwitch,
  }),
  timeout: flag({
    value: 'DURATION',
    about: 'how long to try, to wait for a leader, and for a change that is under way',
    fallback: '5s',
    commands: ['member', 'transfer', ...TIMED],
    read: readDuration,
  }),
  output: flag({
    value: 'table|json',
    about: 'how to show it',
    fallback: 'table',
    commands: ['status', 'member', 'recover', 'version', ...SHOWN],
    read: oneOf(['table', 'json']),
  }),
  config: flag({
    value: 'FILE',
    about: 'JSON file whose keys are names of flags; flags and variables win over it',
    fallback: null,
    commands: ['serve', 'dev', ...ASKING, ...CALLS],
    read: readText,
  }),
  'log-level': flag({
    value: LOG_LEVELS.join('|'),
    about: 'least important message that is logged; default info, for dev warn',
    fallback: null,
    commands: NODES,
    read: oneOf(LOG_LEVELS),
  }),
  'log-format': flag({
    value: LOG_FORMATS.join('|'),
    about: 'text, JSON lines, or by whether standard error is a terminal',
    fallback: 'auto',
    commands: NODES,
    read: oneOf(LOG_FORMATS),
  }),
  /** Set by `dev` for its children: they end when it ends, even when it was killed. */
  'end-with-stdin': flag({
    value: null,
    about: 'stop when standard input closes',
    fallback: null,
    commands: SERVE,
    read: readSwitch,
    hidden: true,
  }),
  ...CALL_FLAGS,
}

export type FlagName = keyof typeof FLAGS
export type FlagValue<K extends FlagName> = ReturnType<(typeof FLAGS)[K]['read']>

export const FLAG_NAMES = Object.keys(FLAGS) as FlagName[]

/** The flag of that name as the table's common type; null for none. */
export function findFlag(name: string): Flag<unknown> | null {
  // The cast forgets only the value's type: each flag reads and judges its own values.
  return Object.hasOwn(FLAGS, name) ? (FLAGS[name as FlagName] as unknown as Flag<unknown>) : null
}

/** `wal-segment` is `ROLLCALL_WAL_SEGMENT`. */
export function variableOf(name: string): string {
  return `ROLLCALL_${name.toUpperCase().replaceAll('-', '_')}`
}
