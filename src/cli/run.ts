import { messageOf } from '../lib/text.ts'
import { pathIn, readArguments } from './usage/arguments.ts'
import { CALL_HANDLERS } from './calls/handlers.ts'
import type { Call } from './calls/api.ts'
import type { Command } from './usage/commands.ts'
import { complete, completion } from './completion/mod.ts'
import type { CommandContext } from './context.ts'
import { dev } from './nodes/dev.ts'
import { UsageError, exitCodeOf } from './errors.ts'
import { helpText } from './usage/help.ts'
import { member, transfer } from './nodes/member.ts'
import { recover } from './nodes/recover.ts'
import { serve } from './nodes/serve.ts'
import { readSettings } from './usage/settings.ts'
import { status } from './nodes/status.ts'
import { printable } from './text.ts'
import { versionText } from './version.ts'

/** Runs the command that `argv` names. Answers the exit code of API.md and never throws. */
export async function runCli(context: CommandContext): Promise<number> {
  try {
    return await dispatch(context)
  } catch (error) {
    return explain(context, error)
  }
}

/** Every command but `help`, which needs no settings. */
const HANDLERS: Readonly<Record<Exclude<Command, 'help'>, (call: Call) => Promise<number>>> = {
  serve: ({ context, settings }) => serve(context, settings),
  dev: ({ context, settings }) => dev(context, settings),
  status: ({ context, settings }) => status(context, settings),
  member: ({ context, settings, words }) => member(context, settings, words),
  transfer: ({ context, settings, words }) => transfer(context, settings, words),
  recover: ({ context, settings }) => recover(context, settings),
  ...CALL_HANDLERS,
  completion,
  __complete: complete,
  version: async ({ context, settings }) => {
    await context.terminal.out(versionText(context.build, settings.need('output')))
    return 0
  },
}

async function dispatch(context: CommandContext): Promise<number> {
  const { terminal } = context
  const { command, helpFor, words, rest, flags } = readArguments(context.argv)
  if (command === 'help') {
    await terminal.out(helpText(helpFor, terminal.outPaint, terminal.columns))
    return 0
  }
  const settings = readSettings({ command, flags, env: context.env, readFile: context.readFile })
  return HANDLERS[command]({ context, settings, words, rest })
}

/** One line for the user; what nobody expected shows its stack at `--log-level debug`. */
function explain(context: CommandContext, error: unknown): number {
  const { terminal } = context
  terminal.err(`${terminal.errPaint('red', 'rollcall:')} ${printable(messageOf(error))}\n`)
  if (error instanceof UsageError) {
    terminal.err(`See: rollcall help ${pathIn(context.argv)}`.trimEnd() + '\n')
  }
  const code = exitCodeOf(error)
  const asked = [...context.argv, context.env['ROLLCALL_LOG_LEVEL'] ?? '']
  const debug = asked.some((word) => /^(--log-level=)?debug$/.test(word))
  if (code === null && debug && error instanceof Error) terminal.err(`${error.stack ?? ''}\n`)
  return code ?? 1
}
