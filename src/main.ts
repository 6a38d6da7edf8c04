/** The composition root: gives the command line its world, and alone ends the process. */
import process from 'node:process'
import { processContext, processTerminal, runCli } from './cli/mod.ts'
import { BUILD } from './version.ts'

const context = processContext({
  build: BUILD,
  terminal: processTerminal(),
  // Loaded only by `serve`, so that `help` and `version` stay quick.
  startNode: async (options) => (await import('./node.ts')).startNode(options),
})
process.exit(await runCli(context))
