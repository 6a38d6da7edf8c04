/** SIGKILL: the leader, anybody, all at once, and one that is killed again while it starts. */
import type { ClusterNode } from '../../support/cluster.ts'
import type { Arena } from '../arena.ts'
import type { Nemesis } from './nemesis.ts'

export const KILL: Nemesis = {
  name: 'kill',
  async strike(arena) {
    const { run } = arena
    const die = run.random(10)
    if (die === 0) await killAll(arena)
    else if (die <= 2) await burst(arena)
    else {
      const node = arena.claim(die <= 6 ? await arena.leader() : null)
      if (node === null) return
      await arena.kill(node)
      await Bun.sleep(run.between(10, 700))
      arena.start(node)
      await Bun.sleep(run.between(50, 700))
      arena.release(node)
    }
  },
}

async function killAll(arena: Arena): Promise<void> {
  const nodes = arena.claimAll()
  if (nodes === null) return
  await Promise.all(nodes.map((node) => arena.kill(node)))
  await Bun.sleep(arena.run.between(0, 300))
  for (const node of nodes) arena.start(node)
  await arena.progress(1, nodes)
  arena.release(...nodes)
}

/** While it starts, founds, replays or is elected. */
async function burst(arena: Arena): Promise<void> {
  const node: ClusterNode | null = arena.claim()
  if (node === null) return
  for (let left = arena.run.between(2, 5); left > 0; left--) {
    await arena.kill(node)
    arena.start(node)
    await Bun.sleep(arena.run.between(5, 250))
  }
  arena.release(node)
}
