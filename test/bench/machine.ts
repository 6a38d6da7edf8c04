/** What the figures were measured on and with, and what is missing there. */
import { cpus, release } from 'node:os'
import { etcdVersion } from './etcd.ts'
import { isThere, PACKAGES, type Tool } from './tool.ts'

export interface Machine {
  readonly tools: Readonly<Record<Tool, boolean>>
  /** One line for each thing that is missing: what it is, where it is had, what is left out. */
  readonly lacks: readonly string[]
  readonly text: string
}

const LEFT_OUT: Readonly<Record<Tool, string>> = {
  wrk: 'all that it loads is left out',
  etcd: 'ours is run alone',
  h2load: 'ours is run alone',
}

export async function machineOf(): Promise<Machine> {
  const tools = { wrk: isThere('wrk'), etcd: isThere('etcd'), h2load: isThere('h2load') }
  const names = Object.keys(PACKAGES) as Tool[]
  const lacks = names
    .filter((tool) => !tools[tool])
    .map((tool) => `${tool} is missing (Debian: ${PACKAGES[tool]}): ${LEFT_OUT[tool]}`)
  const peer = tools.etcd ? [`etcd ${await etcdVersion()}`] : []
  const cores = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`
  const text = [cores, `Linux ${release()}`, `Bun ${Bun.version}`, ...peer].join(', ')
  return { tools, lacks, text }
}
