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
        return done({ ttlMs, expiresInMs: ttlMs })
      case 'reviving':`,
  },
  {
    name: 'unknown-write-sent-again',
    source: 'a write whose link was lost is sent again (jetcd; G1)',
    file: 'src/replica/leader-calls.ts',
    find: `if (call.mayRepeat) this.#repeat(call)
      else this.#end(id, { type: 'failed', code: 'unknown' })`,
    replace: 'this.#requeue(call)',
  },
  {
    name: 'answer-before-clear',
    source: 'a beat for a suspect lease is answered before the log says so (DESIGN §5.3)',
    file: 'src/replica/liveness.ts',
    find: `        this.#toClear.add(deadline)
        return wait(deadline, done)
      case 'clearing':`,
    replace: `        this.#toClear.add(deadline)
        return done({ ttlMs, expiresInMs: ttlMs })
      case 'clearing':`,
  },
  {
    name: 'beat-before-applied',
    source: 'a leader judges beats before it has applied what came before its term (DESIGN §5.1)',
    file: 'src/replica/desk.ts',
    find: 'if (!raft.hasAppliedInTerm) return',
    replace: '',
  },
  {
    name: 'expiry-of-successor',
    source: 'an expiry hits the registration that came after it (etcd#20615; DESIGN §5.2)',
    file: 'src/state/leases/commands.ts',
    find: 'if (lease !== null && lease.leaseRevision === ref.leaseRevision) yield lease',
    replace: 'if (lease !== null && ref.leaseRevision >= 0) yield lease',
  },
  {
    name: 'ttl-from-wall-clock',
    source: 'deadlines follow the wall clock (G5)',
    file: 'src/replica/desk.ts',
    find: 'this.#liveness.advance(clock.nowMs, held)',
    replace: 'this.#liveness.advance(clock.wallMs, true)',
    more: [
      {
        file: 'src/replica/desk.ts',
        find: 'this.#liveness.start(this.#host.leases(), this.#host.clock().nowMs)',
        replace: 'this.#liveness.start(this.#host.leases(), this.#host.clock().wallMs)',
      },
      {
        file: 'src/replica/liveness.ts',
        find: 'const passedMs = nowMs - this.#lastMs',
        replace: 'const passedMs = Math.max(0, nowMs - this.#lastMs)',
      },
      {
        file: 'src/replica/liveness.ts',
        find: 'const stalled = passedMs > 2 * this.#config.heartbeatMs',
        replace: 'const stalled = false',
      },
    ],
  },
  {
    name: 'outcome-of-another-term',
    source: 'whoever waits at an index is given what another leader put there (promise W1)',
    file: 'src/replica/desk.ts',
    find: 'if (waiting.term !== entry.term) waiting.reply(NOT_LEADER)',
    replace: 'if (waiting.term > Infinity || outcomes[i] === null) waiting.reply(NOT_LEADER)',
  },
  {
    name: 'unknown-called-refused',
    source: 'a write that was sent and not answered is called not applied (promise W3)',
    file: 'src/replica/leader-calls.ts',
    find: 'const sent = uncertain || (isWrite(request) && askedOf !== null)',
    replace: "const sent = uncertain && isWrite(request) && askedOf === 'nobody'",
  },
  {
    name: 'refused-after-append',
    source: 'a deposed leader refuses what stands in its log, and it is sent again (G1)',
    file: 'src/replica/desk.ts',
    find: '      this.#liveness.stop()\n',
    replace: `      this.#liveness.stop()
      for (const { reply } of this.#appended.values()) reply(NOT_LEADER)
      this.#appended.clear()
`,
  },
  {
    name: 'wait-without-second-look',
    source: 'what changed before the waiter had its place is missed (DESIGN §6)',
    file: 'src/replica/gateway.ts',
    find: 'if (signal.aborted || options.current(state) > since) return null',
    replace: 'if (signal.aborted) return null',
  },
  {
    name: 'wake-misses-prefix',
    source: 'a prefix is looked up by the longest wait alone (DESIGN §6)',
    file: 'src/replica/waits.ts',
    find: 'for (const length of this.#prefixLengths.keys()) {',
    replace: 'for (const length of [Math.max(...this.#prefixLengths.keys())]) {',
  },
]
