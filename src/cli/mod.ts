/**
 * The command line: nodes (`rollcall serve`, `dev`, `member` …) and their users (`rollcall config`,
 * `service`, `lock`, `lease`, `watch`).
 *
 * `usage/` says what can be typed: `commands.ts` is the one table of commands, `flags.ts` the one
 * of flags; `arguments.ts` takes a command line apart, `settings.ts` joins it with variables and a
 * config file. `nodes/` has the commands for those who run a cluster, `calls/` those for its users,
 * over `rollcall/client`; each command is one file. `lock/` keeps a command under a lock,
 * `import-formats/` reads what other systems export, `completion/` is for shells. Nothing here
 * imports server code: the node that `serve` runs is handed in by `main.ts`, and `dev` starts this
 * very program again.
 *
 * @module
 */
export { processContext } from './context.ts'
export type { CommandContext } from './context.ts'
export { COMMANDS, GROUPS, specOf, usageOf } from './usage/commands.ts'
export { FLAGS, FLAG_NAMES, findFlag, variableOf } from './usage/flags.ts'
export type { FlagName } from './usage/flags.ts'
export { readArguments } from './usage/arguments.ts'
export { runCli } from './run.ts'
export { readSettings } from './usage/settings.ts'
export { serveOptions } from './nodes/serve-options.ts'
export { processTerminal } from './terminal.ts'
export type { Terminal } from './terminal.ts'
