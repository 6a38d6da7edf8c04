/** Members that lose their disks, come and go, while everything else goes on. */
import { rmSync } from 'node:fs'
import { haveVoters, TINY, type ClusterNode } from '../../support/cluster.ts'
import { until } from '../../support/until.ts'
import type { Arena } from '../arena.ts'
import type { Nemesis } from './nemesis.ts'

const CHANGE_MS = 90_000
const TRANSFER = '/v1/cluster/transfer?timeout=3s'

export const MEMBERS: Nemesis = {
  name: 'members',
  async strike(arena) {
    if (arena.run.random(3) === 0) await wipe(arena)
    else await replace(arena)
  },
}

/** A voter comes back under its name with nothing: a learner first, then the voter it was. */
async function wipe(arena: Arena): Promise<void> {
  const node = arena.claim()
  if (node === null) return
  arena.run.note(`wipe ${node.id}`)
  arena.run.count('member_changes')
  await arena.kill(node)
  await startEmpty(arena, node)
  arena.release(node)
}

/**
 * Without its data, and until it votes again: who loses the next disk before that takes the quorum
 * away. A list of members cannot tell, for it may be older than the loss; who leads, votes.
 */
export async function startEmpty(arena: Arena, node: ClusterNode): Promise<void> {
  rmSync(node.dataDir, { recursive: true, force: true })
  arena.start(node, flagsOf(node, arena.nodes))
  await until(
    `${node.id} is taken back and can lead`,
    async () => {
      arena.mustRun(node)
      const body = { to: node.id }
      const request = { body, timeoutMs: 8_000 }
      const asked = arena.run.oneOf(arena.nodes)
      const { status, json, text } = await asked.call('POST', TRANSFER, request)
      if (status === 200 && json['leader'] === node.id) return true
      throw new Error(text)
    },
    { ms: CHANGE_MS, everyMs: 100 },
  )
}

/**
 * As the exit text says: the same flags again where one of the members that they name is still
 * there, which is enough to find the cluster; else --join with the URL of one that is.
 */
function flagsOf(node: ClusterNode, nodes: readonly ClusterNode[]): readonly string[] {
  const others = nodes.filter((other) => other !== node).map(addressOf)
  const named = node.args[node.args.findIndex((arg) => arg === '--cluster' || arg === '--join') + 1]
  if (others.some((url) => named?.includes(url))) return node.args
  return node.args.map((arg) => {
    if (arg === named) return others[0] ?? arg
    return arg === '--cluster' ? '--join' : arg
  })
}

function addressOf({ proxy, url }: ClusterNode): string {
  return proxy?.url ?? url
}

/** A new one joins, an old one goes, be it the leader. */
async function replace(arena: Arena): Promise<void> {
  const { run, cluster } = arena
  const gone = arena.claim(run.random(3) === 0 ? await arena.leader() : null)
  if (gone === null) return
  const contact = arena.nodes.find((node) => node !== gone && node.isRunning)
  if (contact === undefined) return arena.release(gone)
  const id = `m${run.random(1_000_000)}`
  run.note(`${id} joins, ${gone.id} goes`)
  run.count('member_changes', 2)
  const fresh = await cluster.joiner(id, contact, TINY)
  arena.claim(fresh)
  arena.start(fresh)
  await settled(
    arena,
    arena.nodes.map((node) => node.id),
  )
  await remove(arena, gone)
  const left = arena.nodes.filter((node) => node !== gone)
  await settled(
    arena,
    left.map((node) => node.id),
    left,
  )
  await arena.discard(gone)
  arena.release(fresh)
}

/** Asks until it is so: others may hurt those who would have to do it. */
async function remove(arena: Arena, gone: ClusterNode): Promise<void> {
  await until(
    `${gone.id} is removed`,
    async () => {
      const node = arena.run.oneOf(arena.nodes.filter((other) => other !== gone))
      const path = `/v1/cluster/members/${gone.id}?timeout=3s`
      const { status, text } = await node.call('DELETE', path, { timeoutMs: 5_000 })
      if (status === 202 || status === 404) return true
      throw new Error(text)
    },
    { ms: CHANGE_MS, everyMs: 100 },
  )
}

/** Exactly those vote, and no change is under way. */
async function settled(
  arena: Arena,
  ids: readonly string[],
  nodes: readonly ClusterNode[] = arena.nodes,
): Promise<void> {
  await until(
    `the voters are ${ids.join(', ')}`,
    async () => {
      const node = arena.run.oneOf(nodes)
      const { json } = await node.call('GET', '/v1/cluster?timeout=1s', { timeoutMs: 3_000 })
      return haveVoters(json, ids)
    },
    { ms: CHANGE_MS, everyMs: 100 },
  )
}
