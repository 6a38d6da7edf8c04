/** STYLE.md, executable: who may import whom, what pure folders must not hold, what may lie where. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }

const ROOT = join(import.meta.dirname, '..')

/** Which folder may import which. Type-only imports are erased before the scan: always allowed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  client: [], // It is bundled for browsers and edges by itself.
  raft: ['lib'],
  state: ['lib'],
  storage: ['lib', 'raft', 'state'],
  mesh: ['lib', 'raft'],
  replica: ['lib', 'raft', 'state'],
  http: ['lib', 'state', 'replica'],
  cli: ['lib', 'client'],
  runtime: ['lib', 'state', 'storage', 'mesh'],
}
const PURE = new Set(['raft', 'state'])
const CLOCKS_AND_CHANCE =
  /\b(Date|performance|crypto|Math\.random|set(Timeout|Interval|Immediate))\b/
const OUTSIDE = /\b(Promise|async|await|process|Bun|Deno|console|fetch|WeakRef|localeCompare)\b/
const SQL_OF_ITS_OWN = /'now'|\bCURRENT_(TIME|DATE|TIMESTAMP)\b|\brandom(blob)?\(\)/i
const RUNTIMES = /\b(Bun|Deno)\s*(\.|\[|\?\.)|\btypeof (Bun|Deno)\b/

/** What Node 20 lacks, on which the package runs too; `src/lib` has what stands for some of it. */
const TOO_YOUNG =
  /\b(withResolvers|fromAsync|Promise\.try|RegExp\.escape|Error\.isError|Uint8Array\.from(Base64|Hex)|(Object|Map)\.groupBy)\b|\.to(Base64|Hex)\(/

const AT_THE_TOP = new Set(
  (
    'LICENSE README.md build.ts compose package-lock.json package.json src test tsconfig.json ' +
    'dist node_modules rollcall-data'
  ) // The last three are made here, and ignored by git.
    .split(' '),
)

const SOURCE_LINES_MAX = 500
const TEST_LINES_MAX = 800

const transpiler = new Bun.Transpiler({ loader: 'ts' })

for (const path of textFiles('src').filter((file) => file.endsWith('.ts'))) {
  test(`tidy: ${path}`, () => {
    const source = read(path)
    expect(source.split('\n').length, 'lines in one file').toBeLessThanOrEqual(SOURCE_LINES_MAX)
    // Transpiled text has no comments, so prose may still mention a clock.
    expect(found(path, source)).toEqual([])
  })
}

test('tidy: the rules for sources see what they forbid', () => {
  expect(found('src/raft/a.ts', 'export const a = Date.now()')).toHaveLength(1)
  expect(found('src/state/a.ts', 'export const a = async () => {}')).toHaveLength(1)
  expect(found('src/state/a.ts', `export const a = "SELECT datetime('now')"`)).toHaveLength(1)
  expect(found('src/lib/a.ts', 'export const a = Bun.version')).toHaveLength(1)
  expect(found('src/lib/a.ts', `import { a } from 'bun:sqlite'\nexport { a }`)).toHaveLength(1)
  expect(found('src/raft/a.ts', `import { a } from '../state/mod.ts'\nexport { a }`)).toHaveLength(
    1,
  )
  expect(found('src/mesh/a.ts', `import { a } from '../raft/log.ts'\nexport { a }`)).toHaveLength(1)
  expect(found('src/main.ts', `import { a } from './raft/log.ts'\nexport { a }`)).toHaveLength(1)
  expect(found('src/cli/a.ts', `import { a } from '../version.ts'\nexport { a }`)).toHaveLength(1)
  expect(found('src/cli/a.ts', `export const a = import('../http/mod.ts')`)).toHaveLength(1)
  expect(found('src/cli/a.ts', `import type { A } from '../http/x.ts'\nexport type B = A`)).toEqual(
    [],
  )
  expect(found('src/main.ts', `import { a } from './raft/mod.ts'\nexport { a }`)).toEqual([])
  expect(found('src/http/a.ts', 'export const a = Promise.withResolvers()')).toHaveLength(1)
  expect(found('src/mesh/a.ts', `import { a } from '../raft/mod.ts'\nexport { a }`)).toEqual([])
})

/** What a file of `src/` does that its folder must not, in words. */
function found(path: string, source: string): readonly string[] {
  const code = transpiler.transformSync(source)
  const parts = path.split('/')
  const folder = parts.length > 2 ? (parts[1] ?? '') : '' // '' is src itself: main, node.
  const problems: string[] = []
  for (const { path: target } of transpiler.scanImports(source)) {
    problems.push(...importProblems(path, folder, target))
  }
  if (PURE.has(folder)) {
    if (CLOCKS_AND_CHANCE.test(code)) problems.push('clocks and chance come from outside')
    if (OUTSIDE.test(code)) problems.push('no IO, no promise, no runtime')
    if (SQL_OF_ITS_OWN.test(code)) problems.push('SQL has no clock and no chance')
  }
  if (folder !== 'lib' && folder !== 'cli' && TOO_YOUNG.test(code)) {
    problems.push('Node 20 does not have it: see src/lib')
  }
  if (folder !== 'runtime' && RUNTIMES.test(code))
    problems.push('only src/runtime/ knows its runtime')
  return problems
}

function importProblems(path: string, folder: string, target: string): readonly string[] {
  const foreign = target === 'bun' || target.startsWith('bun:')
  if (foreign) return folder === 'runtime' ? [] : [`${target} is for src/runtime/`]
  if (!target.startsWith('.')) return []
  const resolved = new URL(target, `file:///${path}`).pathname.slice(1).split('/')
  if (resolved[0] !== 'src') return [] // package.json, for its version.
  const other = resolved.length > 2 ? (resolved[1] ?? '') : ''
  if (other === folder) return []
  if (folder !== '') {
    const allowed = MAY_IMPORT[folder]
    if (allowed === undefined) return [`src/${folder}/ is no folder of the design`]
    if (!allowed.includes(other)) return [`${folder} imports ${other === '' ? target : other}`]
  }
  const byDoor = other === 'lib' || resolved.length === 2 || target.endsWith('/mod.ts')
  return byDoor ? [] : [`${target}: enter a folder by its door`]
}

test('tidy: test files are short, and none is left out', () => {
  const paths = textFiles('test')

  expect(paths.filter((path) => read(path).split('\n').length > TEST_LINES_MAX)).toEqual([])
  expect(holding(paths, /\b(test|describe|it)\.(only|skip|todo)\b/)).toEqual([])
})

test('tidy: nothing is left for later, and no check is switched off', () => {
  const paths = [...['src', 'test', '.ci'].flatMap(textFiles), 'build.ts']

  expect(holding(paths, /@ts-(ignore|nocheck)|eslint-disable/)).toEqual([])
  // One line may be excused from one rule, with its reason after two dashes.
  expect(holding(paths, /oxlint-disable(?!-next-line [\w/-]+ -- \w)/)).toEqual([])
  expect(holding(paths, /\b(FIXME|TODO|XXX)\b/)).toEqual([])
})

test('tidy: no file names a machine or a package registry', () => {
  const places = /(^|[\s"'`(=])\/(work|home|root|Users)\/|registry\.npmjs|:\/\/registry\b/m
  const paths = ['src', 'test', '.ci', '.github', 'compose'].flatMap(textFiles)

  expect(holding([...paths, ...rootFiles().filter((name) => name !== 'LICENSE')], places)).toEqual(
    [],
  )
})

test('tidy: only what belongs there stands at the top', () => {
  const strange = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !AT_THE_TOP.has(name))

  expect(strange).toEqual([])
})

test('tidy: dependencies are pinned, locked without addresses, and named in the README', () => {
  // What the package is installed with: nothing. All that it needs is compiled into it.
  expect(Object.keys(manifest)).not.toContain('dependencies')
  const dependencies = manifest.devDependencies
  for (const [name, version] of Object.entries(dependencies)) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/)
  }

  expect(read('package-lock.json')).not.toContain('"resolved"')
  if (!existsSync(join(ROOT, 'README.md'))) return
  const readme = read('README.md')
  for (const name of Object.keys(dependencies)) expect(readme, name).toContain(name)
})

/** Those that hold what `pattern` looks for; never this file, which has to spell it. */
function holding(paths: readonly string[], pattern: RegExp): readonly string[] {
  return paths.filter((path) => path !== 'test/tidy.test.ts' && pattern.test(read(path)))
}

/** All files below `folder`, as paths from the root. Every file of ours is text. */
function textFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort()
}

function rootFiles(): string[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tgz'))
    .map((entry) => entry.name)
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}
