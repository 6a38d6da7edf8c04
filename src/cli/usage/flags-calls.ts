/** The flags of the commands that call a running cluster for its users. */
import { CONFIG_COMMANDS } from './commands-config.ts'
import { REGISTRY_COMMANDS } from './commands-registry.ts'
import { callFlag, flag } from './flag.ts'
import {
  numberAtLeast,
  oneOf,
  readDelay,
  readDuration,
  readName,
  readPair,
  readPrefix,
  readSwitch,
  readText,
  wholeBetween,
} from './values.ts'

type CallCommand = keyof typeof CONFIG_COMMANDS | keyof typeof REGISTRY_COMMANDS

/** Every command of the two tables. */
export const CALLS = [
  ...Object.keys(CONFIG_COMMANDS),
  ...Object.keys(REGISTRY_COMMANDS),
] as CallCommand[]

/** They end when the first answer is there. */
const ONCE = CALLS.filter((name) => !['watch', 'config watch', 'service watch'].includes(name))

const IMPORTS = ['config import', 'import'] as const
const PUTS = ['config put', 'config stage put'] as const
const WATCHES = ['watch', 'config watch', 'service watch'] as const
const REGISTER = ['service register'] as const

/** Larger than any version or revision is ever asked for; still exact as a number. */
const WHOLE_MAX = Number.MAX_SAFE_INTEGER

/** A repeatable flag: one more member of the list. */
const listOf =
  <T>(read: (text: string) => T) =>
  (text: string, before?: readonly T[] | null): readonly T[] => [...(before ?? []), read(text)]

export const CALL_FLAGS = {
  namespace: flag({
    value: 'NAME',
    about: 'namespace of services, configuration, locks and leases',
    fallback: null,
    commands: [...CALLS, '__complete'],
    read: readName,
  }),
  version: callFlag({
    value: 'N',
    about: 'this version instead of the current one',
    commands: ['config get', 'config listeners'],
    read: wholeBetween(1, WHOLE_MAX),
  }),
  labels: callFlag({
    value: 'K=V,…',
    about: 'who asks, such as zone=eu,instance=web-1: staged values are for some labels',
    commands: ['config get', ...WATCHES],
    read: readText,
  }),
  value: callFlag({
    value: 'TEXT',
    about: 'the value itself, instead of a file',
    commands: [...PUTS, 'config schema put'],
    read: (text: string) => text,
  }),
  type: callFlag({
    value: 'TYPE',
    about: 'json, yaml, toml, properties, text, bytes or a media type; else by the key’s extension',
    commands: PUTS,
    read: readText,
  }),
  'if-version': callFlag({
    value: 'N',
    about: 'only if that is the current version; 0: only if there is none',
    commands: ['config put', 'config delete', 'config rollback', 'config stage promote'],
    read: wholeBetween(0, WHOLE_MAX),
  }),
  'if-revision': callFlag({
    value: 'N',
    about: 'only if the schema is of that revision; 0: only if there is none',
    commands: ['config schema put', 'config schema delete'],
    read: wholeBetween(0, WHOLE_MAX),
  }),
  fence: callFlag({
    value: 'LOCK=TOKEN',
    about: 'only while that token holds that lock; may be repeated',
    commands: ['config put', 'config delete', 'config rollback', 'config stage promote'],
    read: listOf(readPair),
  }),
  comment: callFlag({
    value: 'TEXT',
    about: 'what the history says about it',
    commands: [
      'config put',
      'config edit',
      'config rollback',
      'config stage put',
      'config stage promote',
    ],
    read: readText,
  }),
  lease: callFlag({
    value: 'LEASE',
    about: 'it vanishes with this lease',
    commands: ['config put'],
    read: readName,
  }),
  limit: callFlag({
    value: 'N',
    about: 'at most so many: rows, or holders of a lock at once',
    commands: [
      'config list',
      'config history',
      'config schema list',
      'service list',
      'lock list',
      'lock',
    ],
    read: wholeBetween(1, 1_000_000),
  }),
  rule: callFlag({
    value: 'RULE',
    about: 'who sees the staged value, such as zone=eu;percent=10: all parts must hold',
    commands: ['config stage put'],
    read: readText,
  }),
  from: callFlag({
    value: 'rollcall|consul|nacos|etcd',
    about: 'whose export it is',
    fallback: 'rollcall',
    commands: IMPORTS,
    read: oneOf(['rollcall', 'consul', 'nacos', 'etcd']),
  }),
  prefix: callFlag({
    value: 'PREFIX',
    about: 'put in front of every key',
    commands: IMPORTS,
    read: readPrefix,
  }),
  'dry-run': callFlag({
    value: null,
    about: 'show what would change, and change nothing',
    commands: IMPORTS,
    read: readSwitch,
  }),
  prune: callFlag({
    value: 'PREFIX',
    about: 'also delete the keys under PREFIX that the import does not hold',
    commands: IMPORTS,
    read: readPrefix,
  }),
  tar: callFlag({
    value: null,
    about: 'a tar archive of files instead of NDJSON',
    commands: ['config export'],
    read: readSwitch,
  }),
  address: callFlag({
    value: 'HOST',
    about: 'where the instance is reached: IPv4, IPv6 or host name',
    commands: REGISTER,
    read: readText,
  }),
  port: callFlag({
    value: 'PORT',
    about: 'its port',
    commands: REGISTER,
    read: wholeBetween(1, 65_535),
  }),
  status: callFlag({
    value: 'starting|up|draining|down',
    about: 'what the instance says of itself; default up',
    commands: REGISTER,
    read: oneOf(['starting', 'up', 'draining', 'down']),
  }),
  weight: callFlag({
    value: 'N',
    about: 'its share of the traffic; 0 takes none',
    commands: REGISTER,
    read: numberAtLeast(0),
  }),
  tag: callFlag({
    value: 'TAG',
    about: 'a tag that it has, or must have; may be repeated',
    commands: [...REGISTER, 'service get'],
    read: listOf(readText),
  }),
  metadata: callFlag({
    value: 'K=V',
    about: 'a pair of metadata that it has, or must have; may be repeated',
    commands: [...REGISTER, 'service get'],
    read: listOf(readPair),
  }),
  zone: callFlag({
    value: 'ZONE',
    about: 'the zone it is in',
    commands: [...REGISTER, 'service get'],
    read: readText,
  }),
  node: callFlag({
    value: 'NODE',
    about: 'the host it runs on',
    commands: [...REGISTER, 'service get', 'service drain'],
    read: readName,
  }),
  available: callFlag({
    value: null,
    about: 'only those that may get traffic',
    commands: ['service get'],
    read: readSwitch,
  }),
  file: callFlag({
    value: 'FILE|-',
    about: 'the instance as JSON, as the API takes it',
    commands: REGISTER,
    read: readText,
  }),
  once: callFlag({
    value: null,
    about: 'register and end, without a heartbeat',
    commands: REGISTER,
    read: readSwitch,
  }),
  reason: callFlag({
    value: 'TEXT',
    about: 'what others are told about it',
    commands: ['service drain'],
    read: readText,
  }),
  undo: callFlag({
    value: null,
    about: 'take the word back: traffic as the instances declare it',
    commands: ['service drain'],
    read: readSwitch,
  }),
  ttl: callFlag({
    value: 'DURATION',
    about: 'how long it lives without being renewed; default 15s',
    commands: [...REGISTER, 'lock', 'lease grant'],
    read: readDuration,
  }),
  'remove-after': callFlag({
    value: 'DURATION',
    about: 'how long an expired instance is still shown as critical, or never; default 0s',
    commands: REGISTER,
    read: readText,
  }),
  owner: callFlag({
    value: 'TEXT',
    about: 'what others see of who has it; default user@host',
    commands: ['lock', 'lease grant'],
    read: readText,
  }),
  'lock-value': callFlag({
    value: 'TEXT',
    about: 'shown beside the holder, such as the address of an elected leader',
    commands: ['lock'],
    read: readText,
  }),
  grace: callFlag({
    value: 'DURATION',
    about: 'between SIGTERM and SIGKILL; default a quarter of --ttl',
    commands: ['lock'],
    read: readDuration,
  }),
  keep: callFlag({
    value: null,
    about: 'go on renewing until Ctrl-C',
    commands: ['lease renew'],
    read: readSwitch,
  }),
  token: callFlag({
    value: 'N',
    about: 'the fencing token that the lock was granted with',
    commands: ['lock get', 'lock release'],
    read: wholeBetween(1, WHOLE_MAX),
  }),
  wait: callFlag({
    value: 'DURATION',
    about: 'how long to wait; 0s: not at all. A lock is waited for without an end by default',
    commands: ['lock', 'config listeners'],
    read: readDelay,
  }),
  since: callFlag({
    value: 'REVISION',
    about: 'begin behind this revision instead of now',
    commands: WATCHES,
    read: wholeBetween(0, WHOLE_MAX),
  }),
  values: callFlag({
    value: null,
    about: 'with the values of configuration, to 64 KiB each',
    commands: WATCHES,
    read: readSwitch,
  }),
  consistency: callFlag({
    value: 'lease|linearizable|stale',
    about: 'what a read promises; default lease',
    commands: [
      'config get',
      'config list',
      'config history',
      'config schema list',
      'config schema get',
      'service list',
      'service get',
      'lock list',
      'lock get',
      'lease get',
    ],
    read: oneOf(['lease', 'linearizable', 'stale']),
  }),
}

/** Commands whose calls end by themselves, and so have a `--timeout`. */
export const TIMED = ONCE
