/** What a scenario needs of the machine: found, installed where that is allowed, or named. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { mountImage, mountTmpfs, newImage } from './mounts.ts'

export type Need = 'strace' | 'faketime' | 'loop' | 'tmpfs'

const PACKAGES_MS_MAX = 180_000
const LIBRARIES = '/usr/lib'

const isLinux = process.platform === 'linux'
const isRoot = process.getuid?.() === 0

const known = new Map<Need, string | null>()

/** Null where the machine has it; else why not, in words for the one who runs this. */
export async function missing(need: Need): Promise<string | null> {
  const before = known.get(need)
  if (before !== undefined) return before
  const why = isLinux ? await FIND[need]() : `${need} is for Linux`
  known.set(need, why)
  return why
}

const FIND: Record<Need, () => Promise<string | null>> = {
  strace: async () => {
    if (Bun.which('strace') === null && !install('strace')) return 'strace is not installed'
    const ran = Bun.spawnSync(['strace', '-qq', '-e', 'trace=none', 'true'])
    return ran.exitCode === 0 ? null : `strace may not trace: ${ran.stderr.toString().trim()}`
  },
  faketime: async () => {
    if (faketimeLibrary() === null) install('libfaketime')
    return faketimeLibrary() === null ? 'libfaketime is not installed' : null
  },
  loop: async () => {
    if (!isRoot) return 'mounting an image takes root'
    if (Bun.which('mkfs.ext4') === null && !install('e2fsprogs')) return 'there is no mkfs.ext4'
    return tryMount('image', (folder) => {
      newImage(join(folder, 'image'), 8)
      return mountImage(join(folder, 'image'), join(folder, 'at'))
    })
  },
  tmpfs: async () => {
    if (!isRoot) return 'mounting a tmpfs takes root'
    return tryMount('tmpfs', (folder) => mountTmpfs(join(folder, 'at'), 1))
  },
}

/** The library to be loaded before all others; null where there is none. */
export function faketimeLibrary(): string | null {
  for (const folder of readdirSync(LIBRARIES)) {
    const path = join(LIBRARIES, folder, 'faketime', 'libfaketime.so.1')
    if (existsSync(path)) return path
  }
  return null
}

/** A Debian package, where we may. Answers whether it is there now. */
function install(name: string): boolean {
  if (!isRoot || Bun.which('apt-get') === null) return false
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: readonly string[]): boolean =>
    Bun.spawnSync(['apt-get', '-qq', ...args], { env, timeout: PACKAGES_MS_MAX }).exitCode === 0
  const wanted = ['install', '-y', '--no-install-recommends', name]
  return apt(...wanted) || (apt('update') && apt(...wanted))
}

function tryMount(what: string, mount: (folder: string) => () => void): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-mount-'))
  try {
    mount(folder)()
    return null
  } catch (error) {
    return `this machine mounts no ${what}: ${error instanceof Error ? error.message : 'refused'}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
