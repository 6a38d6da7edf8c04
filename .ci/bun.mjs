/** `node .ci/bun.mjs ARGS…` runs the project's own Bun, installing it first where it is missing. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { toolchain } from './toolchain.mjs'

let bun
try {
  bun = toolchain().bun
} catch (error) {
  console.error(`rollcall: ${error.message}`)
  process.exit(1)
}

const child = spawn(bun, process.argv.slice(2), { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal sends Ctrl-C to the child as well: passing it on would be a second one.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
}
child.on('error', (error) => {
  console.error(`rollcall: cannot run ${bun}: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
})
