/**
 * All planted bugs by name, and how one gets into this process: before anything of `src/` is
 * loaded, a loader is put in front of the one file. Nothing of it is in the shipped program.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CONFIGURATION_MUTANTS } from './configuration.ts'
import { CUSTODY_MUTANTS } from './custody.ts'
import { ELECTION_MUTANTS } from './elections.ts'
import { LOCK_MUTANTS } from './locks.ts'
import { MEMBERSHIP_MUTANTS } from './membership.ts'
import type { Mutant } from './mutant.ts'
import { READ_MUTANTS } from './reads.ts'
import { REPLICATION_MUTANTS } from './replication.ts'
import { SERVICE_MUTANTS } from './services.ts'
import { STAGE_MUTANTS } from './stages.ts'
import { STORAGE_MUTANTS } from './storage.ts'
import { WATCH_MUTANTS } from './watches.ts'
import { WITNESS_MUTANTS } from './witnesses.ts'
import { WORLD_MUTANTS } from './world.ts'
import { WRAPPED_MUTANTS } from './wrapped.ts'

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...READ_MUTANTS,
  ...STORAGE_MUTANTS,
  ...SERVICE_MUTANTS,
  ...LOCK_MUTANTS,
  ...WATCH_MUTANTS,
  ...STAGE_MUTANTS,
  ...CUSTODY_MUTANTS,
  ...WITNESS_MUTANTS,
  ...WRAPPED_MUTANTS,
  ...CONFIGURATION_MUTANTS,
  ...WORLD_MUTANTS,
]

const ROOT = new URL('../../../', import.meta.url)

/** The changed text of each file. Throws where a place to change is not there exactly once. */
export function mutate(mutant: Mutant): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const { file, find, replace } of [mutant, ...(mutant.more ?? [])]) {
    const text = texts.get(file) ?? readFileSync(new URL(file, ROOT), 'utf8')
    const places = text.split(find).length - 1
    if (places !== 1) {
      throw new Error(`mutant ${mutant.name}: its place occurs ${places} times in ${file}`)
    }
    texts.set(
      file,
      text.replace(find, () => replace),
    )
  }
  return texts
}

/** From now on this process loads the changed files. */
export function plant(mutant: Mutant): void {
  const contents = new Map<string, string>()
  for (const [file, text] of mutate(mutant)) {
    contents.set(fileURLToPath(new URL(file, ROOT)), text)
  }
  const escaped = [...contents.keys()].map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  Bun.plugin({
    name: `mutant ${mutant.name}`,
    setup(build) {
      build.onLoad({ filter: new RegExp(`^(${escaped.join('|')})$`) }, ({ path }) => {
        return { contents: contents.get(path) ?? '', loader: 'ts' }
      })
    },
  })
}
