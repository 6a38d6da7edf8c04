import { readArguments } from './arguments.ts'
import type { CommandContext } from './context.ts'
import { dev } from './dev.ts'
import { UsageError, exitCodeOf, messageOf } from './errors.ts'
import { COMMANDS } from './flags.ts'
import { helpText } from './help.ts'
import { member, transfer } from './member.ts'
import { serve } from './serve.ts'
import { readSettings } from './settings.ts'
import { status } from './status.ts'
import { recover } from './recover.ts'
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

async function dispatch(context: CommandContext): Promise<number> {
  const { terminal } = context
  const { command, helpFor, words, flags } = readArguments(context.argv)
  if (command === 'help') {
    await terminal.out(helpText(helpFor, terminal.outPaint))
    return 0
  }
  const settings = readSettings({ command, flags, env: context.env, readFile: context.readFile })
  switch (command) {
    case 'serve':
      return serve(context, settings)
    case 'dev':
      return dev(context, settings)
    case 'status':
      return status(context, settings)
    case 'member':
      return member(context, settings, words)
    case 'transfer':
      return transfer(context, settings, words)
    case 'recover':
      return recover(context, settings)
    case 'version':
      await terminal.out(versionText(context.build, settings.need('output')))
      return 0
  }
}

/** One line for the user; what nobody expected shows its stack at `--log-level debug`. */
function explain(context: CommandContext, error: unknown): number {
  const { terminal } = context
  terminal.err(`${terminal.errPaint('red', 'rollcall:')} ${printable(messageOf(error))}\n`)
  if (error instanceof UsageError) {
    const command = COMMANDS.find((name) => name === context.argv[0])
    terminal.err(`See: rollcall help${command === undefined ? '' : ` ${command}`}\n`)
  }
  const code = exitCodeOf(error)
  const asked = [...context.argv, context.env['ROLLCALL_LOG_LEVEL'] ?? '']
  const debug = asked.some((word) => /^(--log-level=)?debug$/.test(word))
  if (code === null && debug && error instanceof Error) terminal.err(`${error.stack ?? ''}\n`)
  return code ?? 1
}
