import { describe, expect, test } from 'bun:test'
import type { StateReport } from '../../src/mesh/peer.ts'
import type { Membership } from '../../src/raft/types.ts'
import type { Raft } from '../../src/raft/mod.ts'
import { StateChecks, verdictOf } from '../../src/replica/state-checks.ts'
import type { Command } from '../../src/state/mod.ts'

function idsOf(list: string): string[] {
  return list.split(' ').map((id) => id.toLowerCase())
}

/** `a b c` vote; those in capitals keep no state. */
function voters(text: string, outgoing: string | null = null): Membership {
  const all = `${text} ${outgoing ?? ''}`.split(' ').filter((id) => id !== '')
  return {
    members: all.map((id) => ({
      id: id.toLowerCase(),
      incarnation: id,
      url: null,
      witness: id !== id.toLowerCase(),
    })),
    voters: idsOf(text),
    outgoing: outgoing === null ? null : idsOf(outgoing),
    learners: [],
    wanted: null,
  }
}

/** `a1 b1 c2`: who has which hash. */
function reports(text: string): Map<string, StateReport> {
  const each = text.split(' ').filter((word) => word !== '')
  return new Map(
    each.map((word) => [word.charAt(0), { index: 7, hash: word.slice(1), schema: 1 } as const]),
  )
}

function verdict(membership: Membership, told: string): string {
  const found = verdictOf(membership, reports(told))
  return typeof found === 'string' ? found : found.hash
}

describe('verdictOf()', () => {
  test.each([
    ['', 'open'],
    ['a1', 'open'],
    ['a1 b1', '1'],
    ['a1 b2', 'open'],
    ['a1 b2 c2', '2'],
    ['a1 b2 c3', 'split'],
  ])('of three voters that say "%s" is %s', (told, expected) => {
    expect(verdict(voters('a b c'), told)).toBe(expected)
  })

  test('needs more than half: two that differ are split', () => {
    expect(verdict(voters('a b'), 'a1')).toBe('open')
    expect(verdict(voters('a b'), 'a1 b1')).toBe('1')
    expect(verdict(voters('a b'), 'a1 b2')).toBe('split')
    expect(verdict(voters('a b c d'), 'a1 b1 c2 d2')).toBe('split')
  })

  test('waits for nobody whose voice could change nothing', () => {
    expect(verdict(voters('a b c d e'), 'a1 b1 c2 d2')).toBe('open')
    expect(verdict(voters('a b c d e'), 'a1 b2 c3 d4')).toBe('split')
  })

  test('is that of both configurations while joint', () => {
    expect(verdict(voters('a b c', 'c d e'), 'a1 b1')).toBe('open')
    expect(verdict(voters('a b c', 'c d e'), 'a1 b1 c1 d1')).toBe('1')
    expect(verdict(voters('a b c', 'c d e'), 'a1 b1 c2 d2 e2')).toBe('split')
  })

  test('counts neither witnesses nor learners', () => {
    expect(verdict(voters('a b W'), 'a1')).toBe('open')
    expect(verdict(voters('a b W'), 'a1 b1')).toBe('1')
    expect(verdict(voters('a b W'), 'a1 b2')).toBe('split')
    expect(verdict(voters('a b c'), 'a1 x2 y2')).toBe('open')
  })

  test('does not compare schemas', () => {
    const told = reports('a1 b1 c1')
    told.set('b', { index: 7, hash: '1', schema: 2 })
    expect(verdictOf(voters('a b c'), told)).toMatchObject({ hash: '1', schema: 1 })
    told.set('c', { index: 7, hash: '1', schema: 3 })
    expect(verdictOf(voters('a b c'), told)).toBe('split')
  })
})

/** A leader of a, b and c, which report to it what they had at entry 7. */
class Leader {
  readonly proposed: Command[] = []
  readonly said: string[] = []
  readonly raft = { hasAppliedInTerm: true, applied: 9, membership: voters('a b c') }
  nowMs = 5_000
  readonly checks = new StateChecks(
    {
      raft: this.raft as unknown as Raft,
      schema: 1,
      logger: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: (message) => void this.said.push(message),
      },
      stateHash: () => 'any',
      isKnown: () => true,
      nowMs: () => this.nowMs,
      propose: (command) => void this.proposed.push(command),
      report: () => {},
      differs: () => {},
    },
    { checkQuietMs: 1e6, checkEveryMs: 1e6, checkEntries: 1e6 },
  )

  /** `a1 b2`, all in one turn; then the loop goes on for so long. */
  hears(told: string, ms = 0): void {
    for (const [id, report] of reports(told)) this.checks.reported(id, report)
    for (const endMs = this.nowMs + ms; ; this.nowMs += 100) {
      this.checks.endOfTurn()
      if (this.nowMs >= endMs) return
    }
  }

  get verdicts(): string[] {
    return this.proposed.flatMap((command) =>
      command.type === 'state_verdict' ? [command.hash] : [],
    )
  }
}

describe('the alarm', () => {
  test('is no business of states that differ while somebody is late who can decide', () => {
    const leader = new Leader()
    leader.hears('a1 b2', 500)
    expect(leader.checks.alarm).toBeNull()

    leader.hears('c2', 10_000)

    expect(leader.checks.alarm).toBeNull()
    expect(leader.verdicts).toEqual(['2'])
    expect(leader.said).toEqual(['a node has another state than the majority: it is fenced'])
  })

  test('sounds, once, where whoever could decide does not come', () => {
    const leader = new Leader()
    leader.hears('a1 b2', 10_000)

    expect(leader.checks.alarm).toContain('differ at entry 7')
    expect(leader.checks.alarm).toContain('(a 1, b 2)')
    expect(leader.said).toHaveLength(1)
    expect(leader.verdicts).toEqual([])
  })

  test('sounds at once where nobody who is left could decide', () => {
    const leader = new Leader()
    leader.hears('a1 b2 c3')
    expect(leader.checks.alarm).toContain('no majority agrees')
  })

  test('ends with the next verdict, and with leadership', () => {
    const leader = new Leader()
    leader.hears('a1 b2 c3')
    leader.checks.applied([{ type: 'verdict', index: 8, hash: '1', schema: 1 }])
    expect(leader.checks.alarm).toBeNull()

    const other = new Leader()
    other.hears('a1 b2 c3')
    other.raft.hasAppliedInTerm = false
    other.hears('')
    expect(other.checks.alarm).toBeNull()
  })
})
