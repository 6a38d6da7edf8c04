/**
 * The options of `createNode`, read by the code that reads the flags of `rollcall serve`: both mean
 * the same, and refuse the same in the same words.
 */
import { findFlag, readSettings, serveOptions, type FlagName } from './cli/mod.ts'
import type { CreateNodeOptions } from './create-node-options.ts'
import { StartError } from './errors.ts'
import { nearest } from './lib/nearest.ts'
import { messageOf } from './lib/text.ts'
import type { NodeOptions } from './node-options.ts'

/** Those that are no flag's. */
const OWN = ['clusterSecret', 'allowedHosts', 'logger']
/** Flags that `createNode` has an option for, under its name. */
const OPTION_FLAGS: readonly FlagName[] = [
  'data',
  'id',
  'listen',
  'peer-listen',
  'advertise',
  'cluster',
  'join',
  'role',
  'witness',
  'insecure',
  'timing',
  'heartbeat',
  'election-timeout',
  'clock-drift',
  'remove-dead-after',
  'sqlite',
  'wal-segment',
  'wal-tail',
  'wal-max',
  'checkpoint-size',
  'apply-batch',
]
const SECRET_FLAG = 'cluster-secret-file'
/** What the checks are told where there is no listener: loopback, at no address of a list. */
const NOWHERE = '127.0.0.1:0'

/** Throws {@link StartError} with exit code 2. */
export function nodeOptions(given: CreateNodeOptions): Omit<NodeOptions, 'version' | 'logger'> {
  refuseUnknown(given)
  if (typeof given.data !== 'string') throw wrong('data must name the directory of this node')
  const hasListener = given.listen !== undefined && given.listen !== null
  try {
    const flags = flagsOf(given)
    if (!hasListener) flags.set('listen', NOWHERE)
    const written = new Map([...flags].map(([name, text]) => [name, [text]]))
    const settings = readSettings({
      command: 'serve',
      flags: written,
      env: {},
      readFile: noFile,
    })
    const options = serveOptions(settings, () => given.clusterSecret ?? '')
    if (!hasListener) checkReachable(options)
    return { ...options, ...hostsOf(given), listen: hasListener ? options.listen : null }
  } catch (error) {
    if (error instanceof StartError) throw error
    throw wrong(named(messageOf(error)), error)
  }
}

/** A caller without types learns of a slip as one with them does. */
function refuseUnknown(given: CreateNodeOptions): void {
  const known = [...OPTION_FLAGS.map(optionOf), ...OWN]
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw wrong(`there is no option "${name}"${near === null ? '' : `; did you mean "${near}"?`}`)
  }
}

function flagsOf(given: CreateNodeOptions): Map<string, string> {
  const flags = new Map<string, string>()
  for (const name of OPTION_FLAGS) {
    const value: unknown = given[optionOf(name) as keyof CreateNodeOptions]
    if (value !== undefined && value !== null) flags.set(name, textOf(name, value))
  }
  if (given.clusterSecret !== undefined) flags.set(SECRET_FLAG, '(given)')
  return flags
}

/** As one would write it after the flag. */
function textOf(name: FlagName, value: unknown): string {
  if (name === 'cluster' && typeof value === 'object') {
    return Object.entries(value as object)
      .map(([id, url]) => `${id}=${String(url)}`)
      .join(',')
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return String(value)
  }
  throw wrong(`${optionOf(name)} must be text, a number or a boolean`)
}

/** Without a port of its own a member of a cluster can only dial: then nobody may try to reach it. */
function checkReachable({ cluster, join, peerListen, dialsOnly }: Partial<NodeOptions>): void {
  const hasPeers = (cluster?.length ?? 0) > 1 || join != null
  if (!hasPeers || dialsOnly === true || peerListen != null) return
  throw wrong(
    'its peers must reach this node: give peerListen (or listen), or advertise "none" where it dials them all',
  )
}

function hostsOf({ allowedHosts }: CreateNodeOptions): Pick<NodeOptions, 'allowedHosts'> {
  if (allowedHosts === undefined) return {}
  if (allowedHosts === 'any') return { allowedHosts: null }
  return { allowedHosts: allowedHosts.map((name) => name.toLowerCase()) }
}

/** `--wal-segment` of a message is `walSegment` here. */
function named(message: string): string {
  return message.replaceAll(/--([a-z][a-z-]*[a-z])/g, (flag, name: string) => {
    if (name === SECRET_FLAG) return 'clusterSecret'
    return findFlag(name) === null ? flag : optionOf(name)
  })
}

function optionOf(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function noFile(path: string): never {
  throw new Error(`createNode reads no file of options, nor ${path}`)
}

function wrong(message: string, cause?: unknown): StartError {
  return new StartError(2, `createNode: ${message}`, cause === undefined ? {} : { cause })
}

/** The message of a node that was told to start by options, not by flags. */
export function inOptions(error: StartError): StartError {
  return new StartError(error.exitCode, named(error.message), { cause: error.cause ?? error })
}
