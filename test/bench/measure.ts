/** What a load costs the servers that bear it. */
import type { Loader, Measured } from './load.ts'
import { cpuMs, residentMiB, type Server } from './process.ts'

export async function measure(
  servers: readonly Server[],
  { loader, seconds }: { readonly loader: Loader; readonly seconds: number },
): Promise<Measured> {
  const before = servers.map(cpuMs)
  const load = await loader.run(seconds)
  const spentMs = servers.map((server, i) => cpuMs(server) - (before[i] ?? 0))
  return {
    ...load,
    cpuSeconds: spentMs.reduce((sum, ms) => sum + ms, 0) / 1_000,
    residentMiB: Math.max(...servers.map(residentMiB)),
  }
}
