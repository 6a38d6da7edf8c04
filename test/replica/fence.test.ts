import { expect, test } from 'bun:test'
import { silentLogger } from '../../src/lib/logger.ts'
import type { PeerRequest } from '../../src/mesh/peer.ts'
import type { Raft } from '../../src/raft/mod.ts'
import { Fence } from '../../src/replica/custody/fence.ts'
import type { Reply, ReplyTo } from '../../src/replica/desk.ts'
import type { LeaderCalls } from '../../src/replica/leader-calls.ts'
import type { StorePort } from '../../src/replica/ports.ts'

/** A fenced node whose leader can be chosen, and what it asked for. */
function fencedNode() {
  const raft = { role: 'follower', leader: 'n1' as string | null, persisted: 9, termAt: () => 1 }
  const asked: { readonly request: PeerRequest; readonly reply: ReplyTo }[] = []
  let nowMs = 0
  const fence = new Fence(
    {
      raft: raft as unknown as Raft,
      store: { fenced: 'rows that do not fit' } as unknown as StorePort,
      calls: {
        ask: (request: PeerRequest, _: number, reply: ReplyTo) => asked.push({ request, reply }),
      } as unknown as LeaderCalls,
      logger: silentLogger,
      keepsState: true,
      applied: () => 3,
      canRepair: () => true,
      nowMs: () => nowMs,
      step: () => {},
      fenced: () => {},
    },
    { examineEveryMs: 1_000 },
  )
  const turn = (): void => {
    nowMs += 2_000
    fence.endOfTurn()
  }
  return { raft, fence, asked, turn }
}

function offerOf(from: string, index: number): Reply {
  const snapshot = { index, term: 1 }
  return { type: 'state_offered', from, snapshot, membershipIndex: 1, membership: new Uint8Array() }
}

test('a fenced node asks the next leader when the one that offered its state is gone', () => {
  const { raft, fence, asked, turn } = fencedNode()
  turn()
  asked[0]?.reply(offerOf('n1', 5))
  turn()
  expect(fence.wanted).toMatchObject({ from: 'n1' })
  expect(asked).toHaveLength(1)

  raft.leader = null // An election: the fetch may go on meanwhile.
  turn()
  expect(fence.wanted).toMatchObject({ from: 'n1' })

  raft.leader = 'n2'
  turn()
  expect(fence.wanted).toBeNull()
  turn()
  expect(asked).toHaveLength(2)
  asked[1]?.reply(offerOf('n2', 6))
  turn()
  expect(fence.wanted).toMatchObject({ from: 'n2', snapshot: { index: 6 } })
})
