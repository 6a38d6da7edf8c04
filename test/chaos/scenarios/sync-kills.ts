/**
 * A kill at each of the first N sync calls: of founding, of the first writes, of segments and
 * checkpoints, and of the recovery from the kill before. strace holds each call up at its beginning
 * and puts it down, so the kill meets exactly the one it is meant for.
 */
import { TINY } from '../../support/cluster.ts'
import { inArena, type Arena } from '../arena.ts'
import { Violation } from '../run.ts'
import type { Scenario } from '../scenario.ts'
import { Tracer } from '../tracer.ts'

/** Long enough to be seen and answered with a signal, even on a busy machine. */
const HELD_MS = 25
/** Of a recovery, which makes few: which one is drawn. */
const RECOVERY_SYNCS = 6

export const SYNC_KILLS: Scenario = {
  name: 'sync-kills',
  about:
    'SIGKILL at each of the first sync calls of a node (--syncs N), and at one of its recovery',
  needs: ['strace'],
  seconds: 60,
  weight: 1,
  run: async (run) => {
    for (let nth = 1; nth <= run.syncs && !run.isAborted; nth++) {
      const tracer = new Tracer(run.folder, `sync-${nth}`)
      const name = `sync-${nth}`
      const options = { name, size: 1, start: false, clients: 4, beats: false }
      const command = (): readonly string[] => tracer.command
      await inArena(run, { ...options, flags: () => TINY, command }, async (arena) => {
        arena.startLoad()
        await killAt(arena, tracer, nth)
        await killAt(arena, tracer, run.between(1, RECOVERY_SYNCS))
        tracer.nothing()
        arena.start(arena.cluster.node(0))
      })
    }
  },
}

async function killAt(arena: Arena, tracer: Tracer, nth: number): Promise<void> {
  const node = arena.cluster.node(0)
  tracer.delaySyncs(HELD_MS)
  arena.start(node)
  await tracer.reaches(nth, () => node.isRunning)
  await arena.kill(node)
  arena.run.note(`killed at sync ${nth}, ${tracer.begun} had begun`)
  if (tracer.begun < nth) throw new Violation(`sync ${nth} was not reached`)
}
