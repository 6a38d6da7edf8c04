/**
 * Calls that fail: a sync that reports EIO ends the process, which acknowledges nothing that rests
 * on it (fsyncgate); a write of the log without room ends it too; room that cannot be had for the
 * next segment refuses writes and passes. And syncs that take long: the leader gives up its lease.
 */
import { join } from 'node:path'
import { until } from '../../support/until.ts'
import { TINY } from '../../support/cluster.ts'
import { inArena, type Arena } from '../arena.ts'
import { Violation, type Run } from '../run.ts'
import type { Scenario } from '../scenario.ts'
import { Tracer } from '../tracer.ts'

const SLOW_MS = [50, 300, 900, 2_000]

interface Fault {
  readonly name: string
  readonly apply: (run: Run, tracer: Tracer, log: string) => void
  readonly hurt: (arena: Arena, tracer: Tracer) => Promise<void>
}

const FAULTS: readonly Fault[] = [
  {
    name: 'a sync fails once, then succeeds again',
    apply: (run, tracer) => tracer.failSyncs({ from: run.between(2, 20), times: 1 }),
    hurt: endsByItself,
  },
  {
    name: 'no sync succeeds any more',
    apply: (run, tracer) => tracer.failSyncs({ from: run.between(2, 20), times: null }),
    hurt: endsByItself,
  },
  {
    name: 'a write of the log finds no room',
    apply: (run, tracer, log) => {
      const path = join(log, 'wal-0000000001.log')
      tracer.refuseWrites(path, { from: run.between(2, 40), times: null })
    },
    hurt: endsByItself,
  },
  {
    name: 'the next segment finds no room for a while',
    apply: (run, tracer, log) => {
      const path = join(log, 'wal-next.tmp')
      tracer.refuseWrites(path, { from: run.between(2, 6), times: run.between(1, 3) })
    },
    hurt: goesOn,
  },
  {
    name: 'syncs are slow',
    apply: (run, tracer) => tracer.delaySyncs(run.oneOf(SLOW_MS)),
    hurt: async (arena) => {
      await Bun.sleep(arena.run.between(1_000, 4_000))
      await arena.kill(arena.cluster.node(0))
    },
  },
]

export const DISK_ERRORS: Scenario = {
  name: 'disk-errors',
  about: 'EIO of a sync, ENOSPC of the log and of its next segment, and syncs that take seconds',
  needs: ['strace'],
  seconds: 30,
  weight: 1,
  run: async (run) => {
    for (let round = 0; round === 0 || !run.isOver; round++) {
      for (const size of [1, 3]) await inArenaOf(run, { round, size })
    }
  },
}

/** One node of `size` has the fault from its first start on, or from its second. */
async function inArenaOf(
  run: Run,
  { round, size }: { readonly round: number; readonly size: number },
): Promise<void> {
  const name = `disk-${round}-${size}`
  const tracer = new Tracer(run.folder, name)
  const fault = FAULTS[round % FAULTS.length] as Fault
  const command = (place: number): readonly string[] | null => (place === 0 ? tracer.command : null)
  const options = { name, size, beats: size > 1, flags: () => TINY, command }
  await inArena(run, options, async (arena) => {
    const node = arena.cluster.node(0)
    await arena.progress(10)
    await arena.kill(node)
    fault.apply(run, tracer, join(node.dataDir, 'log'))
    run.note(`${name}: ${fault.name}`)
    arena.start(node)
    await fault.hurt(arena, tracer)
    run.count('disk_faults')
    tracer.nothing()
    if (!node.isRunning) arena.start(node)
  })
}

async function endsByItself(arena: Arena, tracer: Tracer): Promise<void> {
  const { process } = arena.cluster.node(0)
  await until('the fault has met the node', () => tracer.injected > 0 || !process.isRunning)
  const code = await process.ended()
  if (tracer.injected === 0) throw new Violation(`it ended before the fault:\n${process.tail()}`)
  if (code !== 1) throw new Violation(`it ended with ${code}, not 1:\n${process.tail()}`)
}

async function goesOn(arena: Arena, tracer: Tracer): Promise<void> {
  await until('the fault has met the node', () => {
    arena.mustRun(arena.cluster.node(0))
    return tracer.injected > 0
  })
  await arena.progress(50)
  await arena.kill(arena.cluster.node(0))
}
