/** `rollcall recover` and whoever sits at the terminal; what it does on disk is tested elsewhere. */
import { expect, test } from 'bun:test'
import { processContext, runCli, type CommandContext } from '../../src/cli/mod.ts'
import type { Recovery, Survivor } from '../../src/recover.ts'

const SURVIVOR: Survivor = {
  dataDir: 'd',
  nodeId: 'n2',
  clusterId: 'old',
  lastIndex: 40,
  lastTerm: 7,
  appliedIndex: 38,
  wrong: null,
  members: [
    { id: 'n1', url: 'http://10.0.0.1:7400', role: 'voter' },
    { id: 'n2', url: 'http://10.0.0.2:7400', role: 'voter' },
    { id: 'n3', url: null, role: 'learner' },
  ],
}

/** Runs the command with somebody who answers so; null: nobody. */
async function recover(answer: string | null, ...flags: readonly string[]) {
  return recoverFrom(SURVIVOR, answer, flags)
}

async function recoverFrom(survivor: Survivor, answer: string | null, flags: readonly string[]) {
  const did: string[] = []
  let [out, err] = ['', '']
  const recovery: Recovery = {
    survivor,
    async foundAnew() {
      did.push('founded')
      return { clusterId: 'new', previousClusterId: 'old', revision: 5_000 }
    },
    close: () => void did.push('closed'),
  }
  const terminal: CommandContext['terminal'] = {
    out: async (text) => void (out += text),
    err: (text) => void (err += text),
    outIsTerminal: false,
    columns: null,
    errIsTerminal: false,
    outPaint: (_, text) => text,
    errPaint: (_, text) => text,
  }
  const context: CommandContext = {
    ...processContext({
      build: { version: '0.0.0', commit: 'none', compiled: false },
      terminal,
      startNode: () => Promise.reject(new Error('nothing starts here')),
      openRecovery: async () => recovery,
    }),
    argv: ['recover', '--data', 'd', ...flags],
    env: {},
    ask:
      answer === null
        ? null
        : async (question) => {
            did.push(question)
            return answer
          },
  }
  const code = await runCli(context)
  return { code, out, err, did }
}

const QUESTION = 'Type the name of the node (n2) to go on: '

test('without --force-new-cluster it looks, asks nothing, and says how to choose', async () => {
  const { code, out, did } = await recover('n2')
  expect([code, did]).toEqual([0, ['closed']])
  expect(out).toContain('term 7, index 40')
  expect(out).toContain('highest term')
  expect(out).toMatch(/n3 +learner +-/)
})

test('the name of the node is the confirmation', async () => {
  const { code, out, err, did } = await recover(' n2 ', '--force-new-cluster')
  expect([code, did]).toEqual([0, [QUESTION, 'founded', 'closed']])
  expect(err).toContain('dropped  n1, n3')
  expect(err).toContain('its last 2 entries may be writes that were never')
  expect(out).toContain('the new cluster new')
  expect(out).toContain('--join http://10.0.0.2:7400')
})

test.each(['', 'y', 'n1'])('any other answer changes nothing: %j', async (answer) => {
  const { code, err, did } = await recover(answer, '--force-new-cluster')
  expect([code, did]).toEqual([1, [QUESTION, 'closed']])
  expect(err).toContain('not confirmed: nothing was changed')
})

test('--yes asks nobody; where nobody can be asked it is needed', async () => {
  expect((await recover(null, '--force-new-cluster', '--yes')).did).toEqual(['founded', 'closed'])
  const alone = await recover(null, '--force-new-cluster')
  expect([alone.code, alone.did]).toEqual([2, []])
})

test('--output json is one object', async () => {
  const looked = await recover(null, '--output', 'json')
  expect(JSON.parse(looked.out)).toEqual({ survivor: SURVIVOR })
  const done = await recover(null, '--force-new-cluster', '--yes', '--output', 'json')
  expect(JSON.parse(done.out)).toMatchObject({ founded: { clusterId: 'new', revision: 5_000 } })
})

test('a state that is known to be wrong is named, before anybody says yes', async () => {
  const wrong = 'its rows have the hash a, not b as was kept'
  const { out } = await recoverFrom({ ...SURVIVOR, wrong }, null, [])
  expect(out).toContain(`WRONG: ${wrong}`)
  const forced = await recoverFrom({ ...SURVIVOR, wrong }, 'n1', ['--force-new-cluster'])
  expect(forced.err).toContain('Use another survivor if there is one')
  expect((await recover('n1', '--force-new-cluster')).err).not.toContain('another survivor')
})
