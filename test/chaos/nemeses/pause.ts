/** SIGSTOP: of one node for less or much more than its lease and its clients' TTLs, or of all. */
import type { Nemesis } from './nemesis.ts'

/** Reads that wait for each that stands still; the more, the likelier one is too early. */
const PROBES = 12
const PROBE_MS = 60

export const PAUSE: Nemesis = {
  name: 'pause',
  async strike(arena) {
    const { run } = arena
    const die = run.random(10)
    const nodes = die === 0 ? arena.claimAll() : null
    const one = die === 0 ? null : arena.claim(die <= 6 ? await arena.leader() : null)
    const paused = nodes ?? (one === null ? [] : [one])
    const ms = run.oneOf([run.between(50, 500), run.between(500, 1_500), run.between(1_500, 4_000)])
    const probes: Promise<void>[] = []
    try {
      for (const node of paused) {
        arena.mustRun(node)
        run.note(`pause ${node.id} for ${ms} ms`)
        run.count('pauses')
      }
      await Promise.all(paused.map((node) => node.process.pause()))
      await Bun.sleep(paused.length === 0 ? 50 : ms)
      for (const node of paused) probes.push(arena.clients.probe(node, PROBES))
      await Bun.sleep(PROBE_MS) // Lets them reach its sockets.
    } finally {
      for (const node of paused) node.process.resume()
      arena.release(...paused)
    }
    await Promise.all(probes)
    await Bun.sleep(run.between(100, 900))
  },
}
