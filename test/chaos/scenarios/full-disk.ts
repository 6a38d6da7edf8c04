/**
 * A small file system of its own fills up under a node: no room for the next segment of the log.
 * Writes are refused before they are logged, reads go on, and with room writes come back.
 */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../support/until.ts'
import type { ClusterNode } from '../../support/cluster.ts'
import { inArena, type Arena } from '../arena.ts'
import { mountTmpfs } from '../mounts.ts'
import { Violation, type Run } from '../run.ts'
import type { Scenario } from '../scenario.ts'

const MEBIBYTE = 1024 * 1024
const DISK_MEBIBYTES = 40
/** Too little for a segment of 4 MiB beside what it leaves alone: another segment's worth. */
const ROOM_BYTES = 7 * MEBIBYTE
const FLAGS = '--wal-segment 4MiB --wal-tail 64KiB --wal-max 4MiB --checkpoint-size 64KiB'.split(
  ' ',
)

export const FULL_DISK: Scenario = {
  name: 'full-disk',
  about: 'a tmpfs of 40 MiB fills up: writes are refused, reads go on, room brings writes back',
  needs: ['tmpfs'],
  seconds: 20,
  weight: 1,
  run: async (run) => {
    for (let round = 0; round === 0 || !run.isOver; round++) {
      await inArenaOf(run, `full-${round}`)
    }
  },
}

async function inArenaOf(run: Run, name: string): Promise<void> {
  const options = { name, size: 1, start: false, clients: 2, beats: false, flags: () => FLAGS }
  await inArena(run, options, async (arena) => {
    const node = arena.cluster.node(0)
    run.defer(mountTmpfs(node.dataDir, DISK_MEBIBYTES))
    run.defer(() => node.process.kill())
    await arena.open()
    const refused = await fill(arena, node)
    run.count('full_disks')
    for (const consistency of ['lease', 'linearizable', 'stale']) {
      const read = await node.get(`/v1/config/fill/0?consistency=${consistency}`)
      if (read.status !== 200) throw new Violation(`a ${consistency} read: ${read.text}`)
    }
    arena.mustRun(node)
    // With all of it gone the state must be whole, and with room once more it goes on from there.
    if (run.random(2) === 0) await arena.kill(node)
    rmSync(ballastOf(node))
    if (!node.isRunning) arena.start(node)
    run.note(`room again after: ${refused}`)
  })
}

/** Takes all room but a little, then writes until that is refused. */
async function fill(arena: Arena, node: ClusterNode): Promise<string> {
  await until('the next segment is ready', () => arena.clients.acks >= 10)
  const { bavail, bsize } = statfsSync(node.dataDir)
  writeFileSync(ballastOf(node), new Uint8Array(bavail * bsize - ROOM_BYTES))
  return await until(
    'a write is refused',
    async () => {
      arena.mustRun(node)
      const { status, json, text } = await node.put('/v1/config/fill/0', 'full', { fresh: true })
      if (status < 300) return null
      if (status === 429 && json['outcome'] === 'not_applied') return text
      throw new Violation(`a write without room: ${status} ${text}`)
    },
    { everyMs: 0 },
  )
}

function ballastOf(node: ClusterNode): string {
  return join(node.dataDir, 'ballast')
}
