import type { NodeOptions, RunningNode } from '../../node-options.ts'
import type { Logger } from '../../lib/logger.ts'
import { messageOf } from '../../lib/text.ts'
import type { CommandContext } from '../context.ts'
import { exitCodeOf } from '../errors.ts'
import { createLogger } from './logger.ts'
import { serveOptions } from './serve-options.ts'
import type { Settings } from '../usage/settings.ts'

export type StartNode = (options: NodeOptions) => Promise<RunningNode>

/** API.md: exit within 10 s of SIGTERM. What hangs longer is ended by force. */
const STOP_MS_MAX = 9_500

/** Why a node ends: it was told to, or it could not go on. */
type Ending =
  | { readonly type: 'told'; readonly by: string }
  | { readonly type: 'failed'; readonly error: unknown }

/** Runs one node until a signal, or until it fails. Answers the exit code. */
export async function serve(context: CommandContext, settings: Settings): Promise<number> {
  const options = serveOptions(settings, context.readFile)
  const logger = nodeLogger(context, settings)
  // First of all: a signal that nobody listens to would end the process with another exit code.
  const ending = endingOf(context, settings.value('end-with-stdin') === true)
  for (const suspect of settings.suspects) logger.warn(suspect)
  const { version } = context.build
  const starting = context.startNode({ ...options, version, logger })
  const first = await Promise.race([
    starting.then((node) => ({ type: 'started', node }) as const),
    ending,
  ])
  if (first.type !== 'started') return endEarly(first, starting, context, logger)
  const { node } = first
  const { url, id, sqlite } = node
  logger.info('listening', { url, id, data: options.dataDir, sqlite, version })
  const failed = node.failed.then((error) => ({ type: 'failed', error }) as const)
  const end = await Promise.race([ending, failed])
  return end.type === 'failed' ? fail(end.error, logger) : stop(node, end.by, context, logger)
}

/** Told to end before it had started, which a founding that waits for others can do for long. */
function endEarly(
  end: Ending,
  starting: Promise<RunningNode>,
  context: CommandContext,
  logger: Logger,
): Promise<number> | number {
  if (end.type === 'failed') return fail(end.error, logger)
  logger.info('stopping before the start was complete', { by: end.by })
  const stopped = starting.then(
    (node) => stop(node, end.by, context, logger),
    () => 0,
  )
  // Nothing was promised to anybody yet, so there is nothing to wait for long.
  return Promise.race([stopped, context.sleep(1_000).then(() => 0)])
}

async function stop(
  node: RunningNode,
  by: string,
  context: CommandContext,
  logger: Logger,
): Promise<number> {
  logger.info('stopping', { by })
  try {
    const done = await Promise.race([
      node.stop().then(() => true),
      context.sleep(STOP_MS_MAX).then(() => false),
    ])
    if (!done) logger.error('stopping took too long: ended by force', { ms: STOP_MS_MAX })
    else logger.info('stopped')
    return done ? 0 : 1
  } catch (error) {
    return fail(error, logger)
  }
}

function fail(error: unknown, logger: Logger): number {
  logger.error('the node cannot go on', { error: messageOf(error) })
  if (error instanceof Error) logger.debug('details', { stack: error.stack ?? '' })
  return exitCodeOf(error) ?? 1
}

/** Resolves once, with the first of: a signal, the end of standard input, an uncaught error. */
function endingOf(context: CommandContext, withStdin: boolean): Promise<Ending> {
  return new Promise((resolve) => {
    context.onSignal((signal) => resolve({ type: 'told', by: signal }))
    context.onUncaught((error) => resolve({ type: 'failed', error }))
    if (withStdin) context.onStdinEnd(() => resolve({ type: 'told', by: 'end of standard input' }))
  })
}

function nodeLogger(context: CommandContext, settings: Settings): Logger {
  const { terminal } = context
  const asked = settings.need('log-format')
  const format = asked === 'auto' ? (terminal.errIsTerminal ? 'text' : 'json') : asked
  const id = settings.value('id')
  return createLogger({
    level: settings.value('log-level') ?? 'info',
    format,
    write: terminal.err,
    now: Date.now,
    paint: terminal.errPaint,
    ...(id === null ? {} : { fields: { node: id } }),
  })
}
