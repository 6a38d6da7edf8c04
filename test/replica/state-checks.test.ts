import { describe, expect, test } from 'bun:test'
import { silentLogger } from '../../src/lib/logger.ts'
import type { StateReport } from '../../src/mesh/peer.ts'
import type { Raft } from '../../src/raft/mod.ts'
import type { Membership } from '../../src/raft/types.ts'
import { StateChecks, verdictOf } from '../../src/replica/custody/state-checks.ts'
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

/** A leader of `a b c` that is told of check 7; what it says and proposes. */
class Leader {
  readonly proposed: Command[] = []
  readonly errors: string[] = []
  nowMs = 1_000
  readonly checks: StateChecks

  constructor() {
    const logger = { ...silentLogger, error: (line: string) => this.errors.push(line) }
    const membership = voters('a b c')
    const raft: Partial<Raft> = { hasAppliedInTerm: true, applied: 7, membership }
    this.checks = new StateChecks(
      {
        raft: raft as Raft,
        schema: 1,
        logger,
        stateHash: () => '1',
        isKnown: () => true,
        nowMs: () => this.nowMs,
        propose: (command) => this.proposed.push(command),
        report: () => {},
        differs: () => {},
      },
      { checkQuietMs: 60_000, checkEveryMs: 600_000, checkEntries: 1_000 },
    )
  }

  tells(told: string): void {
    for (const [id, report] of reports(told)) this.checks.reported(id, report)
    this.checks.endOfTurn()
  }

  waits(ms: number): void {
    this.nowMs += ms
    this.checks.endOfTurn()
  }
}

describe('StateChecks', () => {
  test('raises no alarm while whoever has not reported yet may decide', () => {
    const leader = new Leader()
    leader.tells('a2 b1')
    leader.waits(500)
    expect([leader.checks.alarm, leader.errors]).toEqual([null, []])

    leader.tells('c1')

    expect(leader.proposed).toMatchObject([{ type: 'state_verdict', index: 7, hash: '1' }])
    leader.waits(10_000)
    expect(leader.checks.alarm).toBeNull()
    expect(leader.errors).toEqual(['a node has another state than the majority: it is fenced'])
  })

  test('raises it once where the one that could decide stays away, or nobody can', () => {
    const open = new Leader()
    open.tells('a2 b1')
    for (let i = 0; i < 10; i++) open.waits(1_000)
    expect(open.checks.alarm).toContain('no majority agrees (a 2, b 1)')
    expect(open.errors).toHaveLength(1)

    const split = new Leader()
    split.tells('a2 b1 c3')
    expect(split.checks.alarm).toContain('no majority agrees')
    expect([open.proposed, split.proposed]).toEqual([[], []])
  })
})
