/**
 * Bytes that a disk has changed while the node was down: in the log before its durable end, and
 * behind it, in the database, and in a snapshot that is being fetched. What was durable is never
 * given up silently: the start is refused, and the node comes back as the exit text says.
 */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { TINY, type ClusterNode } from '../../support/cluster.ts'
import { until } from '../../support/until.ts'
import { appendCopy, batchesOf, flip, lastBatch, overwrite } from '../../support/wal-file.ts'
import { inArena, type Arena } from '../arena.ts'
import { startEmpty } from '../nemeses/members.ts'
import { fillBeside } from '../nemeses/snapshot.ts'
import { Violation } from '../run.ts'
import type { Scenario } from '../scenario.ts'

const GARBAGE = new Uint8Array([0xde, 0xad, 0xbe, 0xef])
/** The first page of a database begins with what it is. */
const MAGIC_BYTES = 16
const PART = '.part'

type Damage = (arena: Arena, node: ClusterNode) => Promise<void>

const DAMAGES: readonly Damage[] = [durableLog, tornTail, database, snapshot]

export const DAMAGE: Scenario = {
  name: 'damage',
  about: 'flipped bytes in log, database and snapshot: refused by name, cut, or fetched again',
  needs: [],
  seconds: 30,
  weight: 1,
  run: (run) =>
    inArena(run, { flags: () => TINY }, async (arena) => {
      for (let round = 0; round < DAMAGES.length || !run.isOver; round++) {
        if (run.isAborted) return
        await arena.progress(20)
        const node = run.oneOf(arena.nodes)
        const damage = DAMAGES[round % DAMAGES.length] as Damage
        run.note(`${damage.name} at ${node.id}`)
        await damage(arena, node)
        run.count('damages')
        await arena.heal()
      }
    }),
}

/** A batch that was durable: the file and the place are named, and nothing is changed. */
async function durableLog(arena: Arena, node: ClusterNode): Promise<void> {
  await node.stop() // Ends with a record of what is durable.
  const batches = batchesOf(node.dataDir)
  const recorded = Math.max(...batches.map(({ header }) => header.durableUpTo))
  const durable = batches.filter(({ header }) => header.sequence <= recorded)
  const { file, offset, header } = arena.run.oneOf(durable)
  flip(file, offset + arena.run.random(header.payloadBytes))
  const said = await refused(arena, node)
  if (!said.includes(basename(file)) || !/at byte \d+/.test(said)) {
    throw new Violation(`${node.id} does not name ${basename(file)} and the place: ${said}`)
  }
  await startEmpty(arena, node) // As the exit text says.
}

/** A batch that was under way when the machine stopped: it is cut, and the node goes on. */
async function tornTail(arena: Arena, node: ClusterNode): Promise<void> {
  await arena.kill(node)
  const last = lastBatch(node.dataDir)
  if (last.offset + 2 * last.bytes <= statSync(last.file).size) {
    const { file, offset, bytes } = appendCopy(last)
    const at = arena.run.random(bytes)
    overwrite(file, { offset: offset + at, length: bytes - at }, GARBAGE)
  }
  arena.start(node)
}

/** Refused, or mended by the node itself: then its state is compared in the end. */
async function database(arena: Arena, node: ClusterNode): Promise<void> {
  await arena.kill(node)
  const path = node.database
  // Both would be read: the file itself, and what waits to be moved into it.
  for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
  flip(path, arena.run.random(MAGIC_BYTES))
  arena.start(node)
  const isUp = await until(`${node.id} is refused or comes up`, async () => {
    if (!node.isRunning) return 'no'
    return (await node.call('GET', '/readyz', { timeoutMs: 1_000 })).status === 200 ? 'yes' : null
  })
  if (isUp === 'yes') return
  const code = await node.process.ended()
  const said = node.process.tail()
  if (code !== 3) throw new Violation(`${node.id} ended with ${code}, not 3:\n${said}`)
  if (!said.includes(path)) throw new Violation(`${node.id} does not name ${path}: ${said}`)
  await startEmpty(arena, node) // As the exit text says.
}

/** What was fetched so far: its checksum does not fit in the end, and it is fetched again. */
async function snapshot(arena: Arena, node: ClusterNode): Promise<void> {
  await arena.kill(node)
  await fillBeside(arena, node)
  arena.start(node)
  const part = await until(
    'a part of a snapshot is there, or all of it',
    async () => {
      const found = readdirSync(node.dataDir).find((name) => name.endsWith(PART))
      if (found !== undefined) return found
      const { status } = await node.call('GET', '/readyz', { timeoutMs: 1_000 })
      return status === 200 ? '' : null
    },
    { everyMs: 1 },
  )
  if (part === '') return // It was too quick for us; its state is compared in the end.
  await arena.kill(node)
  const path = join(node.dataDir, part)
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (bytes > 0) flip(path, arena.run.random(bytes))
  arena.start(node)
}

/** Starts it where it must not start; answers what it said. */
async function refused(arena: Arena, node: ClusterNode): Promise<string> {
  arena.start(node)
  const code = await node.process.ended()
  const said = node.process.tail()
  if (code !== 3) throw new Violation(`${node.id} ended with ${code}, not 3:\n${said}`)
  return said
}
