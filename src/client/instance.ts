import type { Duration } from './duration.ts'

export type InstanceStatus = 'starting' | 'up' | 'draining' | 'down'
export type InstanceHealth = 'passing' | 'warning' | 'critical'

export interface PortAddress {
  readonly address: string
  readonly port: number
}

/** What an instance says of itself. */
export interface InstanceSpec {
  /** IPv4, IPv6 or a host name. */
  readonly address: string
  readonly port?: number | null
  readonly status?: InstanceStatus
  /** 0 takes no traffic. */
  readonly weight?: number
  readonly tags?: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
  readonly zone?: string | null
  readonly node?: string | null
  readonly cluster?: string | null
  readonly ports?: Readonly<Record<string, number>>
  readonly addresses?: Readonly<Record<string, PortAddress>>
  /** How long it stays, unavailable, after its time to live: `0s` by itself. */
  readonly removeAfter?: Duration | 'never'
}

/** The operator's word about an instance, or about all of one host. */
export interface Override {
  readonly status?: InstanceStatus
  readonly weight?: number
  readonly reason?: string | null
  readonly by?: string | null
  readonly at?: string
}

/** An instance as the API answers it. */
export interface Instance {
  readonly ns: string
  readonly service: string
  readonly id: string
  readonly node: string | null
  readonly zone: string | null
  readonly cluster: string | null
  readonly address: string
  readonly port: number | null
  readonly ports: Readonly<Record<string, number>>
  readonly addresses: Readonly<Record<string, PortAddress>>
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly weight: number
  readonly status: InstanceStatus
  readonly health: InstanceHealth
  readonly override: Override | null
  readonly nodeOverride?: Override | null
  /** It is `up`, and not `critical`. */
  readonly available: boolean
  readonly persistent: boolean
  readonly ttlMs?: number
  readonly revision: number
}

/** The weight that counts: the operator's before the instance's own. */
export function weightOf({ weight, override, nodeOverride }: Instance): number {
  return override?.weight ?? nodeOverride?.weight ?? weight
}
