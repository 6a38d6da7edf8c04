/**
 * The one table of commands. The parser, the usage lines, the help texts and the completions of
 * shells come from it. A name is a path of words: `config stage put`.
 */
import { CONFIG_COMMANDS } from './commands-config.ts'
import { REGISTRY_COMMANDS } from './commands-registry.ts'

/** What stands beside the flags: `KEY`, `FILE`. */
export interface Operand {
  readonly name: string
  /** An example of it, for whoever left it out. */
  readonly such: string
  readonly optional?: boolean
  /** The last one only: it may be repeated. */
  readonly many?: boolean
  /** The words that it may be; a mistyped one names the nearest. */
  readonly words?: readonly string[]
  /** Throws `BadValue`; text that only the command can judge has none. */
  readonly read?: (text: string) => string
  /** What a shell may offer for it. */
  readonly offer?: 'key' | 'prefix' | 'schema' | 'service' | 'lock' | 'topic' | 'file'
}

export interface CommandSpec {
  readonly summary: string
  /** Without the program and the name; null: made of the operands. */
  readonly usage?: string
  readonly operands?: readonly Operand[]
  /** It takes the words behind `--`, such as a command to run: their name. */
  readonly rest?: string
  /** Paragraphs below the flags; a line break in one stays a line break. */
  readonly notes?: readonly string[]
  readonly examples?: readonly string[]
  /** What scripts of ours start: kept out of help and hints. */
  readonly hidden?: boolean
}

export const spec = (given: CommandSpec): CommandSpec => given

const MEMBER_ACTIONS = ['list', 'add', 'remove', 'promote', 'withdraw'] as const

const SHELLS = ['bash', 'zsh', 'fish'] as const

const SPECS = {
  serve: spec({
    summary: 'run one node',
    usage: '[--id NAME] [--listen HOST:PORT] [--data DIR] [--cluster ID=URL,…]',
    examples: [
      'rollcall serve',
      'rollcall serve --id n4 --listen 127.0.0.1:7404 --data n4 --join http://127.0.0.1:7401',
      'rollcall serve --id n5 --listen 127.0.0.1:7405 --data n5 --join http://127.0.0.1:7401 --witness',
      'rollcall serve --id n1 --listen 127.0.0.1:7401 --data n1 --cluster n1=http://127.0.0.1:7401,n2=http://127.0.0.1:7402,n3=http://127.0.0.1:7403',
    ],
  }),
  dev: spec({
    summary: 'run a local cluster of several nodes, and print curl lines to try',
    usage: '[--nodes 3] [--listen HOST:PORT] [--data DIR]',
    examples: ['rollcall dev --nodes 3', 'rollcall dev --data .data --log-level info'],
  }),
  status: spec({
    summary: 'show a running node and its cluster',
    usage: '[--endpoint URL] [--output table|json]',
    examples: ['rollcall status --endpoint http://127.0.0.1:7401'],
  }),
  member: spec({
    summary: 'list, add, remove, promote or withdraw members of the cluster',
    usage: 'list | add NAME --url URL | remove NAME | promote NAME | withdraw NAME',
    operands: [
      { name: 'ACTION', such: 'list', optional: true, words: MEMBER_ACTIONS },
      { name: 'NAME', such: 'n4', optional: true },
    ],
    examples: [
      'rollcall member list',
      'rollcall member add n4 --url http://127.0.0.1:7404',
      'rollcall member add n5 --url http://127.0.0.1:7405 --role witness',
      'rollcall member remove n3 --endpoint http://127.0.0.1:7401',
    ],
  }),
  transfer: spec({
    summary: 'hand leadership over, to NAME or to the voter that is furthest',
    operands: [{ name: 'NAME', such: 'n2', optional: true }],
    examples: ['rollcall transfer n2'],
  }),
  recover: spec({
    summary:
      'look at a stopped node after its cluster lost its quorum, and found a new one from it',
    usage: '--data DIR [--force-new-cluster [--yes]]',
    examples: ['rollcall recover --data n1', 'rollcall recover --data n1 --force-new-cluster'],
  }),
  ...CONFIG_COMMANDS,
  ...REGISTRY_COMMANDS,
  completion: spec({
    summary: 'print what makes a shell complete the words of rollcall',
    operands: [{ name: 'SHELL', such: 'bash', words: SHELLS }],
    notes: [
      'bash: put  source <(rollcall completion bash)  into ~/.bashrc\n' +
        'zsh:  put  source <(rollcall completion zsh)  into ~/.zshrc, below compinit\n' +
        'fish: rollcall completion fish > ~/.config/fish/completions/rollcall.fish',
      'Keys, services and locks are completed too: the shell asks the node of ROLLCALL_ENDPOINT, for half a second at most, and offers none where it does not answer.',
    ],
    examples: ['rollcall completion bash > /etc/bash_completion.d/rollcall'],
  }),
  version: spec({ summary: 'show the version', usage: '[--output table|json]' }),
  help: spec({
    summary: 'explain a command: rollcall help COMMAND',
    usage: '[COMMAND]',
    examples: ['rollcall help config put'],
  }),
  __complete: spec({ summary: 'answer a shell that completes', rest: 'WORD', hidden: true }),
  __guard: spec({ summary: 'end a process group whose keeper is gone', hidden: true }),
} satisfies Readonly<Record<string, CommandSpec>>

export type Command = keyof typeof SPECS

const ALL = Object.keys(SPECS) as Command[]

/** What a user can ask for, in the order of the help text. */
export const COMMANDS: readonly Command[] = ALL.filter((name) => specOf(name).hidden !== true)

/** First words that only gather others, with what the help says of them. */
export const GROUPS: Readonly<Record<string, string>> = {
  config: 'read and write configuration: its versions, stages, schemas, imports and exports',
  'config stage': 'values that only some callers see yet',
  'config schema': 'what every value under a prefix must be',
  service: 'find, register and drain the instances of services',
  lock: 'run a command under a lock; look at locks',
  lease: 'what lives and dies together',
}

export function specOf(name: Command): CommandSpec {
  return SPECS[name]
}

/** The command of exactly that path, hidden ones included. */
export function findCommand(path: string): Command | null {
  return ALL.find((name) => name === path) ?? null
}

/** The words that may follow `path` ('' at the start) on the way to a command. */
export function wordsAfter(path: string): readonly string[] {
  const start = path === '' ? '' : `${path} `
  const next = COMMANDS.filter((name) => name.startsWith(start)).map((name) => {
    return name.slice(start.length).split(' ')[0] ?? ''
  })
  return [...new Set(next)]
}

/** `config put KEY [FILE|-]`: the command line without its flags. */
export function usageOf(name: Command): string {
  const { usage, operands = [], rest } = specOf(name)
  if (usage !== undefined) return `rollcall ${name} ${usage}`.trimEnd()
  const shown = operands.map((operand) => {
    const word = `${operand.words?.join('|') ?? operand.name}${operand.many === true ? '…' : ''}`
    return operand.optional === true ? `[${word}]` : word
  })
  return ['rollcall', name, ...shown, ...(rest === undefined ? [] : [`-- ${rest} …`])].join(' ')
}
