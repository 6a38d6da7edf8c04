/** SIGTERM, one node after the other, as an upgrade does it: each ends well and comes back. */
import { Violation } from '../run.ts'
import type { Nemesis } from './nemesis.ts'

export const RESTART: Nemesis = {
  name: 'restart',
  async strike(arena) {
    for (const wanted of arena.nodes.slice()) {
      if (arena.run.isOver) return
      const node = arena.claim(wanted)
      if (node === null) continue
      arena.mustRun(node)
      arena.run.note(`restart ${node.id}`)
      arena.run.count('restarts')
      node.process.signal('SIGTERM')
      const code = await node.process.ended()
      if (code !== 0) throw new Violation(`${node.id} ended with ${code} on SIGTERM`)
      await Bun.sleep(arena.run.between(0, 400))
      arena.start(node)
      await Bun.sleep(arena.run.between(100, 900))
      arena.release(node)
    }
  },
}
