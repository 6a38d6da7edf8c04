/**
 * Power cuts. Each node has an ext4 of its own in an image file; what was not synced is in the page
 * cache alone, so a copy of the image is what a cut would have left. The nodes stand still while
 * they are copied: one of them, or all at the same moment. Then they go on from the copies.
 */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { TINY, type ClusterNode } from '../../support/cluster.ts'
import { inArena, type Arena } from '../arena.ts'
import { copyImage, mountImage, newImage, removeLostAndFound } from '../mounts.ts'
import type { Run } from '../run.ts'
import type { Scenario } from '../scenario.ts'

const IMAGE_MEBIBYTES = 96

export const POWER_LOSS: Scenario = {
  name: 'power-loss',
  about: 'power cuts of one node and of all at once, by copies of the images that they live on',
  needs: ['loop'],
  seconds: 45,
  weight: 3,
  run: (run) =>
    inArena(run, { start: false, flags: () => TINY }, async (arena) => {
      const disks = new Map(arena.nodes.map((node) => [node, new ImageDisk(run, node)]))
      await arena.open()
      while (!run.isOver) {
        await arena.progress(run.between(1, 40))
        const some = run.random(2) === 0 ? [...arena.nodes] : [run.oneOf(arena.nodes)]
        await cutPower(
          arena,
          some.map((node) => disks.get(node) as ImageDisk),
        )
        await Bun.sleep(run.between(0, 800))
      }
    }),
}

async function cutPower(arena: Arena, disks: readonly ImageDisk[]): Promise<void> {
  const { run } = arena
  run.note(`power cut: ${disks.map(({ node }) => node.id).join(', ')}`)
  for (const { node } of disks) arena.mustRun(node)
  // With all their threads: a sync that is under way would go on being written while it is copied.
  await Promise.all(disks.map(({ node }) => node.process.pause()))
  for (const disk of disks) disk.copy()
  await Promise.all(disks.map(({ node }) => node.process.kill()))
  run.count('power_losses')
  for (const disk of disks) disk.lose()
  for (const { node } of disks) arena.start(node)
  await arena.progress(1, arena.nodes)
}

/** The image under one node's data directory. */
class ImageDisk {
  readonly node: ClusterNode
  readonly #image: string
  #unmount: () => void

  constructor(run: Run, node: ClusterNode) {
    this.node = node
    this.#image = join(run.folder, `${node.id}.img`)
    newImage(this.#image, IMAGE_MEBIBYTES)
    this.#unmount = mountImage(this.#image, node.dataDir)
    removeLostAndFound(node.dataDir)
    run.defer(() => this.#unmount())
    run.defer(() => (node.isRunning ? node.process.kill() : null))
  }

  copy(): void {
    copyImage(this.#image, `${this.#image}.cut`)
  }

  /** From here on the copy is all there is; mounting it replays the journal, as a boot does. */
  lose(): void {
    this.#unmount()
    renameSync(`${this.#image}.cut`, this.#image)
    this.#unmount = mountImage(this.#image, this.node.dataDir)
  }
}
