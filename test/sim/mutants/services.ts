import type { Mutant } from './mutant.ts'

export const SERVICE_MUTANTS: readonly Mutant[] = [
  {
    name: 'beat-without-lease',
    source: 'a deposed leader answers heartbeats (etcd#15247; G6)',
    file: 'src/replica/desk.ts',
    find: 'if (this.#liveness.active && this.#advance()) return this.#renewAll(beats, reply)',
    replace: `this.#advance()
    if (this.#liveness.active) return this.#renewAll(beats, reply)`,
  },
  {
    name: 'ttl-not-restarted',
    source: 'a new leader goes on with half of the TTL (etcd lessor.Promote; DESIGN §5.3)',
    file: 'src/replica/liveness.ts',
    find: "return this.#deadlines.arm(lease, 'live', lease.ttlMs)",
    replace: "return this.#deadlines.arm(lease, 'live', takeover ? lease.ttlMs / 2 : lease.ttlMs)",
  },
  {
    name: 'renew-expiring',
    source: 'a beat is answered while its expiry is under way (etcd#20615; G6)',
    file: 'src/replica/liveness.ts',
    find: `      case 'expiring':
      case 'reviving':`,
    replace: `      case 'expiring':
        done({ ttlMs: lease.ttlMs, expiresInMs: lease.ttlMs })
        return null
      case 'reviving':`,
  },
  {
    name: 'unknown-write-sent-again',
    source: 'a write whose link was lost is sent again (jetcd; G1)',
    file: 'src/replica/leader-calls.ts',
    find: "if (call.request.type === 'propose') this.#end(id, { type: 'failed', code: 'unknown' })",
    replace:
      "if (call.request.type === 'cluster_info') this.#end(id, { type: 'failed', code: 'unknown' })",
  },
]
