/**
 * The command line: nodes (`rollcall serve`, `dev`, `member` …) and their users (`rollcall config`,
 * `service`, `lock`, `lease`, `watch`).
 *
 * `commands.ts` holds the one table of commands, `flags.ts` the one of flags; `arguments.ts` takes a command line apart,
 * `settings.ts` joins it with variables and a config file, `serve-options.ts` checks what only
 * all flags together can show. Each command is one file. Nothing here imports server code: the
 * node that `serve` runs is handed in by `main.ts`, and `dev` starts this very program again.
 *
 * @module
 */
export { processContext } from './context.ts'
export type { CommandContext } from './context.ts'
export { COMMANDS, GROUPS, specOf, usageOf } from './commands.ts'
export { FLAGS, FLAG_NAMES, findFlag, variableOf } from './flags.ts'
export type { FlagName } from './flags.ts'
export { readArguments } from './arguments.ts'
export { runCli } from './run.ts'
export { readSettings } from './settings.ts'
export { serveOptions } from './serve-options.ts'
export { processTerminal } from './terminal.ts'
export type { Terminal } from './terminal.ts'
