/**
 * Makes `dist/npm`, what the npm package holds: JavaScript modules with their declarations and with
 * nothing to install beside them. `npm pack` runs it. The client stands alone in one file, since
 * whoever installs the package for it must not load a server; the server has its libraries inside.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ROOT, toolchain, why } from './toolchain.mjs'

const OUT = join(ROOT, 'dist/npm')
const TYPES = join(OUT, 'types')
const STEP_MS_MAX = 5 * 60_000

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
  const server = [
    '--target=node',
    '--splitting',
    '--chunk-naming=chunk-[hash].[ext]',
    '--define=ROLLCALL_PACKAGED=true',
    ...EXTERNAL.map((name) => `--external=${name}`),
  ]
  const libraries = bundle(
    bun,
    ['src/mod.ts', 'src/state-worker.ts', 'src/value-worker.ts'],
    server,
  )
  copyFileSync(join(ROOT, 'node_modules/sql.js/dist/sql-wasm.wasm'), join(OUT, 'sql-wasm.wasm'))
  const client = ['--target=browser', '--minify', '--entry-naming=client.[ext]']
  bundle(bun, ['src/client/mod.ts'], client)
  declarations(['src/mod.ts', 'src/client/mod.ts'])
  writeFileSync(join(OUT, 'THIRD-PARTY-LICENSES'), licences(libraries))
}

/** Answers the folders of the packages that were compiled in. */
function bundle(bun, entries, options) {
  const metafile = join(OUT, 'meta.json')
  const where = [`--outdir=${OUT}`, `--metafile=${metafile}`]
  run(bun, ['build', ...entries, '--format=esm', ...where, ...options])
  const { inputs } = JSON.parse(readFileSync(metafile, 'utf8'))
  rmSync(metafile)
  const folders = Object.keys(inputs).flatMap((path) => {
    const inside = /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)
    return inside === null ? [] : [resolve(ROOT, inside[0])]
  })
  return [...new Set(folders)]
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

/** Each library is passed on under a licence that asks to be told. */
function licences(folders) {
  const texts = folders.map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    )
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} has no licence file to pass on`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return texts.sort().join(`\n${'-'.repeat(80)}\n\n`)
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
