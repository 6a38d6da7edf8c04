/**
 * A node is away while the log is cut behind it: it is given a snapshot, and killed at any moment
 * of fetching and installing it.
 */
import type { ClusterNode } from '../../support/cluster.ts'
import type { Arena } from '../arena.ts'
import type { Nemesis } from './nemesis.ts'

const VALUE = 'f'.repeat(20_000)
const KEYS = 40
const WRITES = 160
const WRITERS = 8
const CATCH_UP_MS = 90_000

export const SNAPSHOT: Nemesis = {
  name: 'snapshot',
  async strike(arena) {
    const { run } = arena
    const leader = await arena.leader()
    const late = arena.claim(run.random(4) === 0 ? leader : null)
    if (late === null) return
    await arena.kill(late)
    await fillBeside(arena, late)
    arena.start(late)
    for (let kills = run.random(4); kills > 0; kills--) {
      await Bun.sleep(run.between(20, 500))
      await arena.kill(late)
      arena.start(late)
    }
    await late.ready({ ms: CATCH_UP_MS, everyMs: 50 })
    run.count('snapshots', await late.metric('rollcall_snapshots_installed_total'))
    arena.release(late)
  },
}

/**
 * Megabytes over a few keys, through all but `late`. Nobody keeps an account of these: in the end
 * all nodes agree on them.
 */
export async function fillBeside(arena: Arena, late: ClusterNode): Promise<void> {
  const nodes = arena.nodes.filter((node) => node !== late)
  let next = 0
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (let i = next++; i < WRITES; i = next++) {
        const node = arena.run.oneOf(nodes)
        const path = `/v1/config/fill/${i % KEYS}?timeout=2s`
        const put = node.put(path, `${VALUE}${i}`, { timeoutMs: 4_000, fresh: true })
        await put.catch(() => null) // The node may be hurt by somebody else just now.
      }
    }),
  )
}
