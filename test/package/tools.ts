/**
 * What the tests of the package need beside the project's own toolchain: the package itself, packed
 * and installed into folders that hold nothing else, and runtimes that come from npm. Those are
 * installed for the test alone; where npm reaches none, their tests are skipped, and counted so.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { plainEnv, ROOT } from '../support/program.ts'

const STEP_MS = 120_000
const NODE_MAJOR = 20
const WORKERD = '1.20261117.1'

/** The runtimes that `npm test` found, else those that are installed. */
export const BUN = process.execPath
export const DENO = process.env['ROLLCALL_TEST_DENO'] ?? join(ROOT, 'node_modules/.bin/deno')

/** Runs a program to its end. Rejects with what it said where it fails. */
export async function run(command: readonly string[], cwd: string): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd,
    env: plainEnv(),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: STEP_MS,
  })
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ])
  if (code === 0) return out
  throw new Error(`${command.join(' ')}: exit code ${code}\n${out}${err}`)
}

/** Packs this project as npm would publish it. Answers the archive's path. */
export async function pack(into: string): Promise<string> {
  const out = await run(['npm', 'pack', '--json', '--pack-destination', into, ROOT], into)
  const [packed] = JSON.parse(out.slice(out.indexOf('[\n'))) as [{ readonly filename: string }]
  return join(into, packed.filename)
}

/** A project with nothing but the package in it. `npm install` asks no registry for anything. */
export async function project(folder: string, archive: string): Promise<string> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  await npmInstall(folder, ['--offline', archive])
  return folder
}

/** Puts a package of ours into a project, as its user would install it. */
export function addPackage(folder: string, name: string): void {
  cpSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
}

/** Every package below `node_modules`, its own ones included. */
export function installed(folder: string): readonly string[] {
  return readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))
}

/** Node 20: the one on the PATH where it is that, else npm's. Null: neither can be had. */
export async function node20(folder: string): Promise<string | null> {
  const own = Bun.which('node')
  if (own !== null && (await versionOf(own)).startsWith(`v${NODE_MAJOR}.`)) return own
  const name = `node-${process.platform}-${process.arch}`
  return tool(folder, `${name}@${NODE_MAJOR}`, join(name, 'bin/node'))
}

/** The runtime of edge workers. Null: it cannot be had here. */
export function workerd(folder: string): Promise<string | null> {
  const name = `@cloudflare/workerd-${process.platform}-${process.arch === 'x64' ? '64' : process.arch}`
  return tool(folder, `${name}@${WORKERD}`, join(name, 'bin/workerd'))
}

async function tool(folder: string, spec: string, inside: string): Promise<string | null> {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'node_modules', inside)
  try {
    if (!existsSync(path)) await npmInstall(folder, ['--prefer-offline', spec])
    chmodSync(path, 0o755)
    await versionOf(path)
    return path
  } catch (error) {
    console.error(`rollcall: ${spec} cannot be had, its tests are skipped: ${String(error)}`)
    return null
  }
}

async function versionOf(program: string): Promise<string> {
  return run([program, '--version'], ROOT)
}

function npmInstall(folder: string, args: readonly string[]): Promise<string> {
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
  return run(['npm', 'install', ...quiet, ...args], folder)
}
