/**
 * Makes `dist/npm`, what the npm package holds: JavaScript modules with their declarations and with
 * nothing to install beside them. `npm pack` runs it. The client stands alone in one file, since
 * whoever installs the package for it must not load a server; the server has its libraries inside.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ROOT, toolchain, why } from './toolchain.mjs'

const OUT = join(ROOT, 'dist/npm')
const TYPES = join(OUT, 'types')
const STEP_MS_MAX = 5 * 60_000

/** What is compiled into the bundles, with the licence that asks to be told. */
const BUNDLED = ['@msgpack/msgpack', 'hono', 'sql.js', 'valibot', 'ws']
/** `AsyncDisposable` is younger than what most projects are compiled for. */
const LIBRARY = '/// <reference lib="esnext.disposable" />'
/** Modules of one runtime only, and what others load if it happens to be there. */
const EXTERNAL = ['bun:*', '*.wasm', 'bufferutil', 'utf-8-validate']

try {
  main()
} catch (error) {
  console.error(`rollcall: ${error.message}`)
  process.exit(1)
}

function main() {
  const { bun } = toolchain()
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  bundle(
    bun,
    ['src/mod.ts', 'src/state-worker.ts'],
    [
      '--target=node',
      '--splitting',
      '--chunk-naming=chunk-[hash].[ext]',
      '--define=ROLLCALL_PACKAGED=true',
      ...EXTERNAL.map((name) => `--external=${name}`),
    ],
  )
  copyFileSync(join(ROOT, 'node_modules/sql.js/dist/sql-wasm.wasm'), join(OUT, 'sql-wasm.wasm'))
  bundle(
    bun,
    ['src/client/mod.ts'],
    ['--target=browser', '--minify', '--entry-naming=client.[ext]'],
  )
  declarations(['src/mod.ts', 'src/client/mod.ts'])
  writeFileSync(join(OUT, 'THIRD-PARTY-LICENSES'), licences())
}

function bundle(bun, entries, options) {
  run(bun, ['build', ...entries, '--format=esm', `--outdir=${OUT}`, ...options])
}

/** Only what the entries show: the inside of the program is nobody's types. */
function declarations(entries) {
  const config = join(OUT, 'tsconfig.json')
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: join(ROOT, 'src'),
    outDir: TYPES,
  }
  const files = entries.map((entry) => join(ROOT, entry))
  const project = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, files, include: [] }
  writeFileSync(config, JSON.stringify(project))
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', config])
  rmSync(config)

  const shown = new Set()
  for (const entry of entries) {
    const path = declarationOf(join(TYPES, relative('src', entry)))
    show(path, shown)
    writeFileSync(path, `${LIBRARY}\n${readFileSync(path, 'utf8')}`)
  }
  for (const file of readdirSync(TYPES, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath ?? file.path, file.name)
    if (file.isFile() && !shown.has(path)) rmSync(path)
  }
  for (const folder of readdirSync(TYPES)) removeIfEmpty(join(TYPES, folder))
}

/** The compiler leaves `./x.ts` in declarations, where every reader wants `./x.js`. */
function show(path, shown) {
  if (shown.has(path)) return
  shown.add(path)
  const text = readFileSync(path, 'utf8')
  const ours = /(\bfrom |\bimport\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g
  for (const [, , , target] of text.matchAll(ours)) {
    show(declarationOf(resolve(dirname(path), `${target}.ts`)), shown)
  }
  writeFileSync(path, text.replaceAll(ours, '$1$2$3.js$2'))
}

function declarationOf(source) {
  return source.replace(/\.ts$/, '.d.ts')
}

function removeIfEmpty(path) {
  if (!path.endsWith('.d.ts') && readdirSync(path).length === 0) rmSync(path, { recursive: true })
}

function licences() {
  return BUNDLED.map((name) => {
    const folder = join(ROOT, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = ['LICENSE', 'LICENSE.md'].map((f) => join(folder, f)).find((f) => existsSync(f))
    if (file === undefined) throw new Error(`${name} has no licence file to pass on`)
    return `${name} ${version} (${license})\n\n${readFileSync(file, 'utf8').trim()}\n`
  }).join(`\n${'-'.repeat(80)}\n\n`)
}

function run(program, args) {
  const done = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: STEP_MS_MAX,
  })
  if (done.status === 0) return
  console.error(`${done.stdout ?? ''}${done.stderr ?? ''}`.trim())
  throw new Error(`${args[0]}: ${why(done)}`)
}
