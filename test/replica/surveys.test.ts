import { expect, test } from 'bun:test'
import type { PeerIdentity } from '../../src/mesh/peer.ts'
import { Surveys, type Survey } from '../../src/replica/peers/surveys.ts'

const QUESTION = new Uint8Array([1])
const bytes = (n: number) => new Uint8Array([n])
const answerOf = (n: number) => ({ type: 'edge_answer', answer: bytes(n) }) as const

class World {
  members = ['n1', 'n2', 'n3']
  connected = new Set(['n2', 'n3'])
  clusterVersionMax = 3
  full = false
  readonly sent: { readonly to: string; readonly id: number }[] = []
  readonly results: (Survey | null)[] = []
  readonly timers: { run: () => void; live: boolean }[] = []
  readonly surveys: Surveys

  constructor() {
    this.surveys = new Surveys({
      self: 'n1',
      members: () => this.members,
      links: () =>
        ['n2', 'n3'].map((id) => ({
          id,
          connected: this.connected.has(id),
          identity: { id, clusterVersionMax: this.clusterVersionMax } as PeerIdentity,
          lastContactMs: null,
          refusal: null,
        })),
      send: (to, id) => {
        if (!this.full) this.sent.push({ to, id })
        return !this.full
      },
      setTimer: (_ms, run) => {
        const timer = { run, live: true }
        this.timers.push(timer)
        return () => (timer.live = false)
      },
    })
    this.surveys.answerBy(() => bytes(1))
  }

  ask() {
    this.surveys.ask(QUESTION, 1_000, (survey) => this.results.push(survey))
  }

  reply(to: string, n: number) {
    const { id } = this.sent.findLast((one) => one.to === to) ?? { id: 0 }
    return this.surveys.answered(to, id, answerOf(n))
  }

  expire() {
    for (const timer of this.timers) if (timer.live) timer.run()
  }
}

test('a survey has the answer of every member, its own included', () => {
  const world = new World()
  world.ask()
  expect(world.reply('n3', 3)).toBe(true)
  expect(world.results).toEqual([])
  expect(world.reply('n2', 2)).toBe(true)

  const answers = [1, 2, 3].map((n) => ({ id: `n${n}`, answer: bytes(n) }))
  expect(world.results).toEqual([{ answers, missing: [] }])
  expect(world.timers.filter(({ live }) => live)).toEqual([])
})

test('a node alone asks nobody', () => {
  const world = new World()
  world.members = ['n1']
  world.ask()
  expect(world.results).toEqual([{ answers: [{ id: 'n1', answer: bytes(1) }], missing: [] }])
})

/** The members that did not answer, with the reasons. */
function whys(act: (world: World) => void): unknown {
  const world = new World()
  act(world)
  return world.results.at(-1)?.missing.map(({ id, why }) => `${id}: ${why}`)
}

test('who is not connected, too slow, refuses or is lost is named with the reason', () => {
  expect(
    whys((world) => {
      world.connected.delete('n2')
      world.ask()
      world.reply('n3', 3)
    }),
  ).toEqual(['n2: it is not connected'])
  expect(
    whys((world) => {
      world.ask()
      world.reply('n2', 2)
      world.expire()
    }),
  ).toEqual(['n3: it did not answer in time'])
  expect(
    whys((world) => {
      world.ask()
      world.reply('n2', 2)
      world.surveys.linkLost('n3')
    }),
  ).toEqual(['n3: its link was lost'])
  expect(
    whys((world) => {
      world.full = true
      world.ask()
    }),
  ).toEqual(['n2: its link is full', 'n3: its link is full'])
  expect(
    whys((world) => {
      world.clusterVersionMax = 2
      world.ask()
    }),
  ).toEqual([
    'n2: it runs an older program, which cannot tell',
    'n3: it runs an older program, which cannot tell',
  ])
  expect(
    whys((world) => {
      world.ask()
      for (const { to, id } of world.sent) {
        world.surveys.answered(to, id, { type: 'refused', code: 'unknown' })
      }
    }),
  ).toEqual(['n2: it cannot tell just now', 'n3: it cannot tell just now'])
})

test('late, foreign and strange answers are void', () => {
  const world = new World()
  world.ask()
  const { id } = world.sent[0] ?? { id: 0 }
  expect(world.surveys.answered('n3', id, answerOf(9))).toBe(true) // Asked of n2.
  expect(world.surveys.answered('n2', 7, answerOf(9))).toBe(false) // Of somebody else's calls.
  expect(world.surveys.answered('n2', 2 ** 48, answerOf(9))).toBe(false)
  world.expire()
  expect(world.results).toHaveLength(1)
  expect(world.reply('n2', 2)).toBe(true)
  expect(world.results).toHaveLength(1)
})

test('open questions are bounded, and all end with the node', () => {
  const world = new World()
  for (let i = 0; i < 2_048; i++) world.ask()
  expect(world.results.filter((survey) => survey === null)).toHaveLength(1)
  world.surveys.stop()
  expect(world.results).toHaveLength(2_048)
})
