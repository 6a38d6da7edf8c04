/** The links between proxied nodes, by who speaks and who hears; who dialed does not matter. */
import type { FaultProxy, Where } from './fault-proxy.ts'

/** A node behind a proxy, as `cluster.ts` makes it with `proxied`. */
export interface ProxiedNode {
  readonly id: string
  readonly proxy: FaultProxy | null
}

interface Place {
  readonly proxy: FaultProxy
  readonly where: Where
}

/** What `from` says to `to` is hurt; the way back is another matter. */
export class Links {
  readonly #nodes: readonly ProxiedNode[]

  constructor(nodes: readonly ProxiedNode[]) {
    this.#nodes = nodes
  }

  delay(ms: number, from: ProxiedNode, to: ProxiedNode): void {
    for (const { proxy, where } of places(from, to)) proxy.delay(ms, where)
  }

  lose(percent: number, from: ProxiedNode, to: ProxiedNode): void {
    for (const { proxy, where } of places(from, to)) proxy.lose(percent, where)
  }

  stall(from: ProxiedNode, to: ProxiedNode): void {
    for (const { proxy, where } of places(from, to)) proxy.stall(where)
  }

  swallow(from: ProxiedNode, to: ProxiedNode): void {
    for (const { proxy, where } of places(from, to)) proxy.swallow(where)
  }

  /** Their links end in both directions, after `afterBytes` more in this one. */
  cut(afterBytes: number, from: ProxiedNode, to: ProxiedNode): void {
    for (const { proxy, where } of places(from, to)) proxy.cut(afterBytes, where)
  }

  /** Neither hears the other side, in both directions. */
  part(side: readonly ProxiedNode[]): void {
    const others = this.#nodes.filter((node) => !side.includes(node))
    for (const one of side) {
      for (const other of others) {
        this.stall(one, other)
        this.stall(other, one)
      }
    }
  }

  /** All faults of all links are gone. */
  heal(): void {
    for (const { proxy } of this.#nodes) proxy?.heal()
  }
}

/** The link runs through the proxy of whoever did not dial it. */
function places(from: ProxiedNode, to: ProxiedNode): readonly Place[] {
  return [
    { proxy: proxyOf(to), where: { direction: 'in', peer: from.id } },
    { proxy: proxyOf(from), where: { direction: 'out', peer: to.id } },
  ]
}

function proxyOf({ id, proxy }: ProxiedNode): FaultProxy {
  if (proxy === null) throw new Error(`${id} has no proxy: start the cluster with proxied: true`)
  return proxy
}
