/** What the kernel says of a node's process. */
import { readFileSync } from 'node:fs'

/** One of our nodes, or of etcd's. */
export interface Server {
  readonly process: { readonly pid: number }
}

export function residentMiB(node: Server): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(of(node, 'status'))?.[1]) / 1_024
}

/** Bytes that it has had written to a disk. */
export function writtenBytes(node: Server): number {
  return Number(/^write_bytes: (\d+)/m.exec(of(node, 'io'))?.[1])
}

/** Bytes that it has read from files and sockets, and written to them. */
export function movedBytes(node: Server): { readonly read: number; readonly written: number } {
  const io = of(node, 'io')
  return {
    read: Number(/^rchar: (\d+)/m.exec(io)?.[1]),
    written: Number(/^wchar: (\d+)/m.exec(io)?.[1]),
  }
}

/** Percent of a core that a node took in so many seconds. */
export async function busyShare(node: Server, seconds: number): Promise<number> {
  const before = cpuMs(node)
  await Bun.sleep(seconds * 1_000)
  return ((cpuMs(node) - before) / seconds / 1_000) * 100
}

/** User and system time so far; the kernel counts in hundredths of a second. */
export function cpuMs(node: Server): number {
  const stat = of(node, 'stat')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function of(node: Server, file: string): string {
  return readFileSync(`/proc/${node.process.pid}/${file}`, 'utf8')
}
