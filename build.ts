/**
 * Builds `dist/rollcall`, one self-contained executable. Run it with `npm run build`.
 *
 * `ROLLCALL_VERSION` stamps another version than that of `package.json`, and `--outfile FILE`
 * writes elsewhere: a rolling upgrade is tested with two of them. For those tests alone
 * `ROLLCALL_CLUSTER_VERSION` builds the program of an older clusterVersion, which lacks the newer
 * commands (`src/state/cluster-version.ts`).
 *
 * A compiled executable would by default read `.env` and run the `preload` of a `bunfig.toml` in
 * the folder where it is started: that is switched off, for it would be code of a stranger.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { CLUSTER_VERSION_NEWEST } from './src/state/cluster-version.ts'
import manifest from './package.json' with { type: 'json' }

/** The program, then its workers: files of their own within the executable. */
const ENTRYPOINTS = ['src/main.ts', 'src/state-worker.ts', 'src/value-worker.ts']

const ROOT = import.meta.dirname

function commit(): string {
  const given = process.env['ROLLCALL_COMMIT']
  if (given !== undefined && given !== '') return given
  if (Bun.which('git') === null) return 'unknown'
  const git = Bun.spawnSync(['git', 'rev-parse', '--short=12', 'HEAD'], { cwd: ROOT })
  return git.success ? git.stdout.toString().trim() : 'unknown'
}

const { values } = parseArgs({ options: { outfile: { type: 'string' } } })
const name = process.platform === 'win32' ? 'rollcall.exe' : 'rollcall'
const outfile = values.outfile === undefined ? join(ROOT, 'dist', name) : resolve(values.outfile)
const version = process.env['ROLLCALL_VERSION'] || manifest.version
const clusterVersion = Number(process.env['ROLLCALL_CLUSTER_VERSION'] || CLUSTER_VERSION_NEWEST)
mkdirSync(dirname(outfile), { recursive: true })

const build = Bun.spawnSync(
  [
    process.execPath,
    'build',
    '--compile',
    '--minify',
    '--sourcemap',
    '--bytecode',
    '--format=esm', // Bytecode means CommonJS otherwise, which has no top-level await.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    '--no-compile-autoload-tsconfig',
    '--no-compile-autoload-package-json',
    `--define=ROLLCALL_BUILD_VERSION=${JSON.stringify(version)}`,
    `--define=ROLLCALL_BUILD_CLUSTER_VERSION=${clusterVersion}`,
    `--define=ROLLCALL_BUILD_COMMIT=${JSON.stringify(commit())}`,
    ...ENTRYPOINTS,
    `--outfile=${outfile}`,
  ],
  { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] },
)
process.exit(build.success ? 0 : 1)
