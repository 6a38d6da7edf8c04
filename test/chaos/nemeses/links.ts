/** Links between nodes that are slow, lossy, silent in one direction, cut within a frame, gone. */
import type { ClusterNode } from '../../support/cluster.ts'
import type { Links } from '../../support/links.ts'
import type { Run } from '../run.ts'
import type { Nemesis } from './nemesis.ts'

interface Scene {
  readonly run: Run
  readonly links: Links
  /** Of the leader, where there is one, more often than not. */
  readonly one: ClusterNode
  readonly others: readonly ClusterNode[]
}

const FAULTS: Record<string, (scene: Scene) => void> = {
  delay: ({ run, links, one, others }) => {
    const ms = run.between(5, 250)
    for (const other of others) {
      links.delay(ms, one, other)
      if (run.random(2) === 0) links.delay(ms, other, one)
    }
  },
  lose: ({ run, links, one, others }) => {
    for (const other of others) links.lose(run.between(5, 40), one, other)
  },
  part: ({ links, one }) => links.part([one]),
  /** It speaks and does not hear, or hears and is not heard. */
  oneWay: ({ run, links, one, others }) => {
    const isDeaf = run.random(2) === 0
    for (const other of others) links.stall(isDeaf ? other : one, isDeaf ? one : other)
  },
  /** Two do not reach each other, and a third reaches both. */
  bridge: ({ run, links, one, others }) => {
    const other = run.oneOf(others)
    links.stall(one, other)
    links.stall(other, one)
  },
  swallow: ({ run, links, one, others }) => links.swallow(one, run.oneOf(others)),
  /** Within a frame more often than not: frames of appends are hundreds of bytes long. */
  cut: ({ run, links, one, others }) => {
    for (const other of others) links.cut(run.between(0, 600), one, other)
  },
  refuse: ({ one }) => {
    one.proxy?.refuse()
    one.proxy?.cut()
  },
}

export const LINKS: Nemesis = {
  name: 'links',
  async strike(arena) {
    const { run, cluster } = arena
    const leader = run.random(3) > 0 ? await arena.leader() : null
    const one = leader ?? run.oneOf(arena.nodes)
    const others = cluster.others(one)
    if (others.length === 0) return
    const name = run.oneOf(Object.keys(FAULTS))
    run.note(`${name} at ${one.id}`)
    run.count('link_faults')
    try {
      FAULTS[name]?.({ run, links: cluster.links, one, others })
      await Bun.sleep(run.oneOf([run.between(100, 800), run.between(800, 3_000)]))
    } finally {
      for (const node of [one, ...others]) node.proxy?.heal()
    }
    await Bun.sleep(run.between(100, 900))
  },
}
