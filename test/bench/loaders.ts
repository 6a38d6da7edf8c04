/** The two ways in which rows make their load: `wrk` over HTTP/1.1, `h2load` over gRPC. */
import { h2load, shapesOf, type H2loadResult, type Shape } from './h2load.ts'
import { rateOf, WARM_UP_SECONDS, withFaults, type Load, type Loader } from './load.ts'
import { revisionOf, type EtcdCluster } from './etcd.ts'
import { MissingTool } from './tool.ts'
import { wrk, type Script, type WrkResult } from './wrk.ts'

export interface WrkLoader {
  readonly url: string
  readonly inFlight: number
  readonly script: Script
  /** How many writes the cluster has seen: it must grow by at least what was answered. */
  readonly writes?: () => Promise<number>
  /** The least that an answer may weigh: a read that finds nothing is no read. */
  readonly bytesMin?: number
  /** Asked after the load; what it answers is a fault. */
  readonly check?: () => Promise<string | null>
}

export function wrkLoader(given: WrkLoader): Loader {
  const { url, inFlight: connections, script, bytesMin = 0, check } = given
  const load = async (seconds: number): Promise<WrkResult> => {
    const result = await wrk(url, { connections, seconds, script })
    if (result === null) throw new MissingTool('wrk')
    return result
  }
  return {
    warmUp: async () => void (await load(WARM_UP_SECONDS)),
    run: async (seconds) => {
      const before = (await given.writes?.()) ?? 0
      const result = await load(seconds)
      const grown = ((await given.writes?.()) ?? Infinity) - before
      const wrong = (await check?.()) ?? null
      return withFaults(result, [
        ...fewer('writes done', { found: grown, least: result.count }),
        ...fewer('bytes answered', { found: result.bytes, least: result.count * bytesMin }),
        ...(wrong === null ? [] : [wrong]),
      ])
    },
    how: () => `wrk -t1 -c${connections}`,
  }
}

export interface GrpcLoader {
  readonly cluster: EtcdCluster
  readonly method: 'Put' | 'Range'
  readonly body: Uint8Array
  readonly inFlight: number
}

/**
 * `h2load` at the shape that etcd does best with: the warm-up tries them all. Its errors are 200 as
 * well, in trailers that `h2load` does not show, so every answer must weigh as much as the first
 * one, and every put must have raised the revision.
 */
export function grpcLoader({ cluster, method, body, inFlight }: GrpcLoader): Loader {
  const url = `${cluster.leader.url}/etcdserverpb.KV/${method}`
  const shapes = shapesOf(inFlight)
  let shape: Shape = shapes[0] ?? { connections: 1, streams: inFlight }
  const load = (seconds: number | null) => h2load({ url, body, shape, seconds })
  let tried: readonly { readonly rate: number; readonly shape: Shape }[] = []
  return {
    warmUp: async () => {
      const trySeconds = Math.ceil(WARM_UP_SECONDS / shapes.length)
      const found: { readonly rate: number; readonly shape: Shape }[] = []
      for (shape of shapes) found.push({ rate: rateOf(await load(trySeconds)), shape })
      tried = found.toSorted((a, b) => b.rate - a.rate)
      shape = tried[0]?.shape ?? shape
    },
    run: async (seconds): Promise<Load> => {
      const one = await h2load({ url, body, shape: { connections: 1, streams: 1 }, seconds: null })
      const before = await revisionOf(cluster.leader)
      const result = await load(seconds)
      const grown = (await revisionOf(cluster.leader)) - before
      return withFaults(result, [
        ...(one.dataBytes === 0 ? ['etcd answered with an error'] : []),
        ...fewer('bytes answered', {
          found: result.dataBytes,
          least: result.count * one.dataBytes,
        }),
        ...(method === 'Put' ? putsMissing(result, grown) : []),
      ])
    },
    how: () => `h2load -t1 ${flagsOf(shape)}`,
    tried: () => tried.map((one) => `${flagsOf(one.shape)} ${Math.round(one.rate)}/s`).join(', '),
  }
}

function flagsOf({ connections, streams }: Shape): string {
  return `-c${connections} -m${streams}`
}

/** Every put raises the revision by one: by those answered at least, by those sent at most. */
export function putsMissing(
  { count, started }: Pick<H2loadResult, 'count' | 'started'>,
  grown: number,
): string[] {
  const most = started >= grown ? [] : [`etcd wrote ${grown}, and only ${started} were sent`]
  return [...fewer('writes done', { found: grown, least: count }), ...most]
}

/** A fault where there are fewer of something than there must be. */
export function fewer(
  what: string,
  { found, least }: { readonly found: number; readonly least: number },
): string[] {
  return found >= least ? [] : [`${what}: ${found}, and there must be ${least}`]
}
