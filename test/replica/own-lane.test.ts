/** DESIGN §1.6: the leader's own commands, a round at a time. */
import { expect, test } from 'bun:test'
import { OwnLane } from '../../src/replica/own-lane.ts'
import type { Command } from '../../src/state/mod.ts'

const expire = (id: string): Command => ({
  type: 'lease_expire',
  leases: [{ id, leaseRevision: 7 }],
})

function laneWithProposals() {
  const proposed: { readonly command: Command; readonly ended: () => void }[] = []
  const lane = new OwnLane((command, ended) => void proposed.push({ command, ended }))
  return { lane, proposed }
}

test('the next round may leave when all commands of the one before have ended', () => {
  const { lane, proposed } = laneWithProposals()
  expect(lane.isFree).toBe(true)

  lane.propose([expire('a'), expire('b')])
  expect(proposed.map(({ command }) => command)).toEqual([expire('a'), expire('b')])
  proposed[1]!.ended()
  expect(lane.isFree).toBe(false)
  proposed[0]!.ended()

  expect(lane.isFree).toBe(true)
})

test('a round without commands is none', () => {
  const { lane, proposed } = laneWithProposals()
  lane.propose([])
  expect([lane.isFree, proposed.length]).toEqual([true, 0])
})

test('what still comes of an earlier leadership does not end the round of this one', () => {
  const { lane, proposed } = laneWithProposals()
  lane.propose([expire('old')])
  lane.stop()
  expect(lane.isFree).toBe(true)
  lane.propose([expire('new')])

  proposed[0]!.ended()
  expect(lane.isFree).toBe(false)
  proposed[1]!.ended()

  expect(lane.isFree).toBe(true)
})
