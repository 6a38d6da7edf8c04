/** The composition root: gives the command line its world, and alone ends the process. */
import process from 'node:process'
import { processContext, processTerminal, runCli } from './cli/mod.ts'
import { BUILD } from './version.ts'

const context = processContext({
  build: BUILD,
  terminal: processTerminal(),
  // Loaded only where they are needed, so that `help` and `version` stay quick.
  startNode: async (options) => (await import('./node.ts')).startNode(options),
  openRecovery: async (dataDir) => (await import('./recover.ts')).openRecovery(dataDir),
})
process.exit(await runCli(context))
