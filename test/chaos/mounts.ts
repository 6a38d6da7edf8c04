/** File systems of our own: small ones in memory, and images whose copy is a power cut. */
import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Makes a folder and mounts on it. Answers what unmounts it. */
export function mountTmpfs(at: string, mebibytes: number): () => void {
  mkdirSync(at, { recursive: true })
  run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', at)
  return () => unmount(at)
}

/** An empty ext4 in a sparse file. */
export function newImage(path: string, mebibytes: number): void {
  run('truncate', '-s', `${mebibytes}M`, path)
  run('mkfs.ext4', '-q', '-F', '-m', '0', path)
}

/**
 * The journal is not committed by itself for five minutes: until then the image holds what was
 * synced, and nothing else.
 */
export function mountImage(image: string, at: string): () => void {
  mkdirSync(at, { recursive: true })
  run('mount', '-o', 'loop,commit=300', image, at)
  return () => unmount(at)
}

/** Takes what belongs to the file system alone out of a node's directory. */
export function removeLostAndFound(at: string): void {
  rmdirSync(join(at, 'lost+found'))
}

/** The image as it stands on the disk this very moment. */
export function copyImage(from: string, to: string): void {
  run('cp', '--sparse=always', from, to)
}

/** Processes that were killed may hold it a moment longer: then it goes with the last of them. */
function unmount(at: string): void {
  const { exitCode } = Bun.spawnSync(['umount', at])
  if (exitCode !== 0) run('umount', '-l', at)
}

function run(...command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command])
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr.toString().trim()}`)
}
