import { describe, expect, test } from 'bun:test'
import { Liveness, type Renewed } from '../../src/replica/liveness.ts'
import type { LeaseRow } from '../../src/state/rows.ts'

const HEARTBEAT_MS = 100

function lease(id: string, given: Partial<LeaseRow> = {}): LeaseRow {
  return {
    id,
    ns: 'default',
    ttlMs: 3_000,
    leaseRevision: 7,
    removeAfterMs: 0,
    onLapse: 'remove',
    owner: null,
    suspectMs: null,
    lapsed: false,
    ...given,
  }
}

/** A leader whose lease holds, ticking every heartbeat. */
class Leader {
  readonly liveness = new Liveness({
    heartbeatMs: HEARTBEAT_MS,
    electionTimeoutMs: 1_000,
    leasesPerCommand: 2,
  })
  nowMs = 0

  constructor(...leases: LeaseRow[]) {
    this.liveness.start(leases, this.nowMs)
    this.liveness.advance(this.nowMs, true)
  }

  /** Runs for `ms` in ticks of a heartbeat; returns what it proposed. */
  run(ms: number, held = true) {
    const commands = []
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += HEARTBEAT_MS
      this.liveness.advance(this.nowMs, held)
      if (held) commands.push(...this.liveness.due())
    }
    return commands
  }

  beat(id: string) {
    const answers: (Renewed | undefined)[] = []
    const command = this.liveness.renew(id, (renewed) => answers.push(renewed))
    return { command, answers }
  }
}

describe('DESIGN §5: heartbeats and expiry', () => {
  test('a grant that was waited for and that nobody claims ends with its place, not its TTL', () => {
    const leader = new Leader()
    const ghost = lease('ghost', { ttlMs: 60_000 })
    const claimed = lease('claimed', { ttlMs: 60_000 })
    for (const one of [ghost, claimed]) {
      leader.liveness.applied([{ type: 'granted', lease: one, unclaimedMs: 5_000 }])
    }
    expect(leader.run(4_900)).toEqual([])
    expect(leader.beat('claimed').answers).toEqual([{ ttlMs: 60_000, expiresInMs: 60_000 }])

    expect(leader.run(1_000)).toEqual([
      { type: 'lease_expire', leases: [{ id: 'ghost', leaseRevision: 7 }] },
    ])
    // Never answered again before it is known whether it is gone.
    expect(leader.beat('ghost').answers).toEqual([])
    expect(leader.run(38_000)).toEqual([])
  })

  test('a grant is not unclaimed for longer than its TTL', () => {
    const leader = new Leader()
    const change = { type: 'granted', lease: lease('a'), unclaimedMs: 5_000 } as const
    leader.liveness.applied([change])

    expect(leader.run(3_100)).toEqual([
      { type: 'lease_expire', leases: [{ id: 'a', leaseRevision: 7 }] },
    ])
  })

  test('a lease that beats in time is never proposed for anything', () => {
    const leader = new Leader(lease('a'))

    for (let i = 0; i < 20; i++) {
      expect(leader.run(1_000)).toEqual([])
      expect(leader.beat('a').answers).toEqual([{ ttlMs: 3_000, expiresInMs: 3_000 }])
    }
  })

  test('past two thirds of its TTL it is marked suspect with what remains, then expires', () => {
    const leader = new Leader(lease('a'))

    expect(leader.run(1_900)).toEqual([])
    expect(leader.run(100)).toEqual([
      { type: 'lease_suspect', leases: [{ id: 'a', leaseRevision: 7, remainingMs: 1_000 }] },
    ])
    expect(leader.run(900)).toEqual([])
    expect(leader.run(100)).toEqual([
      { type: 'lease_expire', leases: [{ id: 'a', leaseRevision: 7 }] },
    ])
    expect(leader.run(10_000)).toEqual([])
  })

  test('a beat for a suspect lease is answered only when the clearing is applied', () => {
    const leader = new Leader(lease('a'))
    leader.run(2_500)

    const { command, answers } = leader.beat('a')

    expect(command).toEqual({ type: 'lease_clear', leases: [{ id: 'a', leaseRevision: 7 }] })
    expect(answers).toEqual([])
    // The deadline moved with the beat; nothing expires while the clearing is in flight.
    expect(leader.run(2_900)).toEqual([])
    leader.liveness.applied([{ type: 'cleared', lease: lease('a') }])
    expect(answers).toEqual([{ ttlMs: 3_000, expiresInMs: 100 }])
  })

  test('a beat for an expiring lease waits, and is told 404 when the expiry is applied', () => {
    const leader = new Leader(lease('a'))
    leader.run(3_000)

    const { command, answers } = leader.beat('a')

    expect(command).toBeNull()
    expect(answers).toEqual([])
    leader.liveness.applied([{ type: 'gone', id: 'a' }])
    expect(answers).toEqual([null])
    expect(leader.beat('a').answers).toEqual([null])
  })

  test('a registration that wins against the expiry answers who waited', () => {
    const leader = new Leader(lease('a'))
    leader.run(3_000)
    const { answers } = leader.beat('a')

    leader.liveness.applied([{ type: 'armed', lease: lease('a', { leaseRevision: 9 }) }])

    expect(answers).toEqual([{ ttlMs: 3_000, expiresInMs: 3_000 }])
    expect(leader.run(3_000).at(-1)).toEqual({
      type: 'lease_expire',
      leases: [{ id: 'a', leaseRevision: 9 }],
    })
  })

  test('a lapsed lease is revived by a beat, or removed after removeAfter', () => {
    const lapsed = lease('a', { lapsed: true, onLapse: 'lapse', removeAfterMs: 2_000 })
    const leader = new Leader(lapsed, { ...lapsed, id: 'b' })

    const { command, answers } = leader.beat('a')

    expect(command).toEqual({ type: 'lease_clear', leases: [{ id: 'a', leaseRevision: 7 }] })
    expect(leader.run(2_000)).toEqual([
      { type: 'lease_remove', leases: [{ id: 'b', leaseRevision: 7 }] },
    ])
    leader.liveness.applied([{ type: 'cleared', lease: lease('a') }])
    expect(answers).toEqual([{ ttlMs: 3_000, expiresInMs: 3_000 }])
  })

  test('removeAfter "never" keeps a lapsed lease for ever', () => {
    const leader = new Leader(lease('a', { lapsed: true, removeAfterMs: null }))

    expect(leader.run(60_000)).toEqual([])
  })

  test('a new leader starts at the full TTL, a suspect at its rest plus one election timeout', () => {
    const leader = new Leader(lease('a'), lease('b', { suspectMs: 400 }))

    expect(leader.run(1_300)).toEqual([])
    expect(leader.run(100)).toEqual([
      { type: 'lease_expire', leases: [{ id: 'b', leaseRevision: 7 }] },
    ])
  })

  test('nobody ages while the leader lease does not hold', () => {
    const leader = new Leader(lease('a'))

    leader.run(60_000, false)

    expect(leader.run(1_900)).toEqual([])
    expect(leader.run(200)).toHaveLength(1)
  })

  test('nobody ages by a stall of the loop', () => {
    const leader = new Leader(lease('a'))
    leader.run(1_000)

    leader.nowMs += 60_000
    leader.liveness.advance(leader.nowMs, true)

    expect(leader.liveness.due()).toEqual([])
    expect(leader.run(900)).toEqual([])
    expect(leader.run(100)).toHaveLength(1) // Suspect.
  })

  test('mass expiry is spread over ticks and commands', () => {
    const leader = new Leader(...Array.from({ length: 50 }, (_, i) => lease(`i${i}`)))

    const perTick = Array.from({ length: 60 }, () => leader.run(HEARTBEAT_MS))

    for (const commands of perTick) {
      expect(commands.length).toBeLessThanOrEqual(8)
      for (const command of commands) {
        expect('leases' in command && command.leases.length <= 2).toBe(true)
      }
    }
    const expired = perTick.flat().filter(({ type }) => type === 'lease_expire')
    const ids = expired.flatMap((command) => ('leases' in command ? command.leases : []))
    expect(new Set(ids.map(({ id }) => id)).size).toBe(50)
  })

  test('when leadership ends, whoever waits is told so, never 200 or 404', () => {
    const leader = new Leader(lease('a'))
    leader.run(3_000)
    const { answers } = leader.beat('a')

    leader.liveness.stop()

    expect(answers).toEqual([undefined])
    expect(leader.liveness.active).toBe(false)
  })
})
