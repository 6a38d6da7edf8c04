/**
 * A process that runs seeds: each is one message from `seeds.ts`, answered by its result. The
 * first argument names a mutant, or is empty.
 */
import { assert, present } from '../../src/lib/assert.ts'
import { MUTANTS, plant } from './mutants/mod.ts'

const name = process.argv[2] ?? ''
// In place before anything of `src/` is loaded that it changes.
if (name !== '') plant(present(MUTANTS.find((mutant) => mutant.name === name) ?? null, 'a mutant'))
const { run } = await import('./run.ts')

process.on('message', (seed: unknown) => {
  assert(typeof seed === 'number', 'a seed is a number')
  assert(process.send !== undefined, 'somebody waits for results')
  process.send(run(seed))
})
process.on('disconnect', () => process.exit(0)) // Nobody waits any more.
