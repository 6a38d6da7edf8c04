/**
 * Makes a folder that was just cloned ready to work, with nothing but Node and npm: installs the
 * packages when they are missing or differ from the lock file, and finds executables of Bun and
 * Deno that really run (npm may have been told not to run install scripts).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const MODULES = join(ROOT, 'node_modules')
const INSTALL_MS_MAX = 15 * 60_000

/** Installs what is missing, and answers the paths of both runtimes. Throws with one clear line. */
export function toolchain() {
  if (!installed()) install()
  return { bun: runtime(BUN), deno: runtime(DENO) }
}

const BUN = {
  name: 'bun',
  direct: 'node_modules/bun/bin/bun.exe',
  installer: 'node_modules/bun/install.js',
  scope: '@oven',
  inside: ['bin/bun', 'bin/bun.exe'],
}

const DENO = {
  name: 'deno',
  direct: process.platform === 'win32' ? 'node_modules/deno/deno.exe' : 'node_modules/deno/deno',
  installer: 'node_modules/deno/install.cjs',
  scope: '@deno',
  inside: ['deno', 'deno.exe'],
}

/** Whether node_modules holds, version for version, what the lock file lists. */
function installed() {
  const wanted = packagesOf(join(ROOT, 'package-lock.json'))
  const found = packagesOf(join(MODULES, '.package-lock.json'))
  if (found === null) return false
  if (wanted === null) return true // No lock: whatever npm installed is right.
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true
    const there = found[path]
    // A package of another platform is listed by the lock and rightly absent here.
    if (there === undefined) return entry.optional === true || entry.peer === true
    return there.version === entry.version && existsSync(join(ROOT, path))
  })
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {}
  } catch {
    return null // Missing or cut off: the same as not installed.
  }
}

/**
 * `npm ci` refuses a lock file that does not list every platform's optional packages, and which
 * of them a registry offers differs. What it refuses, `npm install --no-save` installs: with the
 * versions and checksums of the same lock file, and without writing it.
 */
function install() {
  const locked = existsSync(join(ROOT, 'package-lock.json'))
  const attempts = locked ? [['ci'], ['install', '--no-save']] : [['install']]
  let said = ''
  for (const command of attempts) {
    console.error(`Installing packages (npm ${command.join(' ')}) …`)
    const done = npm([...command, '--include=dev', '--include=optional', '--loglevel=error'])
    if (done.status === 0 && installed()) return
    said = `${done.stdout ?? ''}${done.stderr ?? ''}\nnpm ${command.join(' ')}: ${why(done)}`
  }
  console.error(said.trim())
  throw new Error('the packages could not be installed')
}

function npm(args) {
  // Run by npm, its own file is known; NODE_ENV=production must not drop the toolchain.
  const own = process.env.npm_execpath
  const windows = process.platform === 'win32'
  const [program, ...before] = own?.endsWith('.js')
    ? [process.execPath, own]
    : [windows ? 'npm.cmd' : 'npm']
  return spawnSync(program, [...before, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_MS_MAX,
    shell: windows && before.length === 0,
  })
}

/** The first executable of `tool` that runs and is of the installed version. */
function runtime(tool) {
  const version = JSON.parse(readFileSync(join(MODULES, tool.name, 'package.json'), 'utf8')).version
  const direct = join(ROOT, tool.direct)
  if (runs(direct, version)) return direct
  spawnSync(process.execPath, [join(ROOT, tool.installer)], {
    cwd: join(MODULES, tool.name),
    stdio: ['ignore', 'ignore', 'ignore'],
    timeout: INSTALL_MS_MAX,
  })
  const found = [direct, ...packaged(tool)].find((path) => runs(path, version))
  if (found === undefined) {
    throw new Error(
      `no ${tool.name} ${version} runs on ${process.platform}-${process.arch}: remove node_modules and run npm ci`,
    )
  }
  return found
}

/** Where the platform packages keep their executables: used when the installer may not write. */
function packaged(tool) {
  const scope = join(MODULES, tool.scope)
  if (!existsSync(scope)) return []
  return readdirSync(scope)
    .sort()
    .flatMap((name) => tool.inside.map((inside) => join(scope, name, inside)))
}

function runs(path, version) {
  if (!existsSync(path)) return false
  const done = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 60_000 })
  return done.status === 0 && done.stdout.includes(version)
}

/** How a child process ended, in words. */
export function why(done) {
  if (done.error) return done.error.message
  return done.signal ? `killed by ${done.signal}` : `exit code ${done.status}`
}
