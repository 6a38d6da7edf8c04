import { describe, expect, test } from 'bun:test'
import { Liveness, type Renewed } from '../../src/replica/liveness.ts'
import type { Command } from '../../src/state/command.ts'
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

/** Of the leader's own command: whom it is about. */
function namedBy(command: Command): string[] {
  return 'leases' in command ? command.leases.map(({ id }) => id) : []
}

/** A leader whose lease holds, ticking every heartbeat. */
class Leader {
  readonly liveness = new Liveness({
    heartbeatMs: HEARTBEAT_MS,
    electionTimeoutMs: 1_000,
    leasesPerRound: 2,
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
    this.liveness.renew(id, (renewed) => answers.push(renewed))
    return { commands: this.liveness.clearings(), answers }
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

    const { commands, answers } = leader.beat('a')

    expect(commands).toEqual([{ type: 'lease_clear', leases: [{ id: 'a', leaseRevision: 7 }] }])
    expect(answers).toEqual([])
    // The deadline moved with the beat; nothing expires while the clearing is in flight.
    expect(leader.run(2_900)).toEqual([])
    leader.liveness.applied([{ type: 'cleared', lease: lease('a') }])
    expect(answers).toEqual([{ ttlMs: 3_000, expiresInMs: 100 }])
  })

  test('a beat for an expiring lease waits, and is told 404 when the expiry is applied', () => {
    const leader = new Leader(lease('a'))
    leader.run(3_000)

    const { commands, answers } = leader.beat('a')

    expect(commands).toEqual([])
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

  test('what ends and begins anew at one revision was never gone: who waits is told what remains', () => {
    const ends = { type: 'gone', id: 'a' } as const
    const begins = { type: 'armed', lease: lease('a', { leaseRevision: 9, ttlMs: 5_000 }) } as const
    for (const [changes, answer] of [
      [[ends, begins], { ttlMs: 5_000, expiresInMs: 5_000 }],
      [[begins, ends], { ttlMs: 5_000, expiresInMs: 5_000 }],
      [[ends], null],
    ] as const) {
      const leader = new Leader(lease('a'))
      leader.run(2_000)
      const { answers } = leader.beat('a') // It is suspect: the log has to say that it lives.
      expect(answers).toEqual([])

      leader.liveness.applied(changes)

      expect(answers).toEqual([answer])
      expect(leader.liveness.size).toBe(changes.at(-1) === begins ? 1 : 0)
    }
  })

  test('a lapsed lease is revived by a beat, or removed after removeAfter', () => {
    const lapsed = lease('a', { lapsed: true, onLapse: 'lapse', removeAfterMs: 2_000 })
    const leader = new Leader(lapsed, { ...lapsed, id: 'b' })

    const { commands, answers } = leader.beat('a')

    expect(commands).toEqual([{ type: 'lease_clear', leases: [{ id: 'a', leaseRevision: 7 }] }])
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

  test('mass expiry goes by rounds of a bounded number of leases, and leaves nobody out', () => {
    const leader = new Leader(...Array.from({ length: 50 }, (_, i) => lease(`i${i}`)))

    const perRound = Array.from({ length: 80 }, () => leader.run(HEARTBEAT_MS).map(namedBy))

    for (const ids of perRound) expect(ids.flat().length).toBeLessThanOrEqual(2)
    const rounds = perRound.flat().flat()
    for (let i = 0; i < 50; i++) expect(rounds).toContain(`i${i}`)
  })

  test('beats for many suspect leases are logged together, by rounds, each lease once', () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const leader = new Leader(...ids.map((id) => lease(id, { suspectMs: 1_000 })))
    for (const id of [...ids, ...ids]) leader.liveness.renew(id, () => {})

    const rounds = Array.from({ length: 4 }, () => leader.liveness.clearings().flatMap(namedBy))

    expect(rounds).toEqual([['a', 'b'], ['c', 'd'], ['e'], []])
  })

  test('nothing is logged for a beat whose lease was registered again, or is gone, meanwhile', () => {
    const leader = new Leader(lease('a', { suspectMs: 900 }), lease('b', { suspectMs: 900 }))
    const answers: (Renewed | undefined)[] = []
    for (const id of ['a', 'b']) leader.liveness.renew(id, (renewed) => answers.push(renewed))

    leader.liveness.applied([
      { type: 'armed', lease: lease('a', { leaseRevision: 9 }) },
      { type: 'gone', id: 'b' },
    ])

    expect(answers).toEqual([{ ttlMs: 3_000, expiresInMs: 3_000 }, null])
    expect(leader.liveness.clearings()).toEqual([])
  })

  test('a lease that is registered over and over keeps one deadline, the newest', () => {
    const leader = new Leader(lease('a'))
    for (let leaseRevision = 8; leaseRevision < 20; leaseRevision++) {
      expect(leader.run(1_000)).toEqual([])
      leader.liveness.applied([{ type: 'armed', lease: lease('a', { leaseRevision }) }])
    }

    expect(leader.liveness.size).toBe(1)
    expect(leader.run(10_000)).toEqual([
      { type: 'lease_suspect', leases: [{ id: 'a', leaseRevision: 19, remainingMs: 1_000 }] },
      { type: 'lease_expire', leases: [{ id: 'a', leaseRevision: 19 }] },
    ])
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
