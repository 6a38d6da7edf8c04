/** The rows of the table of commands that are about configuration. */
import type { CommandSpec, Operand } from './commands.ts'
import { readKey, readName, readPrefix } from './values.ts'

const spec = (given: CommandSpec): CommandSpec => given

const KEY: Operand = { name: 'KEY', such: 'app/motd', read: readKey, offer: 'key' }
const STAGE: Operand = { name: 'STAGE', such: 'canary', read: readName }
const VALUE: Operand = { name: 'FILE|-', such: 'motd.txt', optional: true, offer: 'file' }
const PREFIX: Operand = {
  name: 'PREFIX',
  such: 'app/',
  optional: true,
  read: readPrefix,
  offer: 'prefix',
}

const GOVERNED: Operand = { name: 'PREFIX', such: 'app/', read: readPrefix, offer: 'schema' }

/** They stand under two names: where other systems have it, and where ours does. */
const IMPORT = spec({
  summary: 'write configuration from an archive, a folder, or the export of another system',
  operands: [{ name: 'FILE|FOLDER|-', such: 'export.ndjson', offer: 'file' }],
  notes: [
    'All of it is written in one transaction, or nothing. --dry-run shows what would change. The file is what config export wrote, NDJSON or tar, or a folder of values.',
    '--from consul reads what consul kv export writes, --from nacos the zip of its console, --from etcd what etcdctl get --prefix -w json writes. What cannot be carried over is named.',
  ],
  examples: [
    'rollcall config export app/ > app.ndjson; rollcall config import app.ndjson',
    'rollcall import ./values --prefix app/ --prune app/ --dry-run',
    'consul kv export | rollcall import --from consul - --dry-run',
  ],
})

export const CONFIG_COMMANDS = {
  'config get': spec({
    summary: 'write the value of a key to standard output, byte for byte',
    operands: [KEY],
    examples: [
      'rollcall config get app/motd',
      'rollcall config get app/motd --version 2 > motd.old',
      'rollcall config get app/motd --labels zone=eu,instance=web-1',
    ],
  }),
  'config put': spec({
    summary: 'write a value: from a file, or from standard input',
    operands: [KEY, VALUE],
    examples: [
      'rollcall config put app/motd motd.txt --comment "a friendlier one"',
      'echo hello | rollcall config put app/motd --if-version 3',
      'rollcall config put app/motd --value hello --if-version 0',
    ],
  }),
  'config edit': spec({
    summary: 'edit a value in $VISUAL or $EDITOR, and write it if nobody else did meanwhile',
    operands: [KEY],
    notes: [
      'What was typed is never lost: where it cannot be written, it stays in a file that is named.',
    ],
    examples: ['EDITOR="code --wait" rollcall config edit app/db.yaml'],
  }),
  'config delete': spec({
    summary: 'delete a key; its history stays',
    operands: [KEY],
    examples: ['rollcall config delete app/motd --if-version 4'],
  }),
  'config list': spec({
    summary: 'list the keys under a prefix',
    operands: [PREFIX],
    examples: ['rollcall config list app/', 'rollcall config list --output json'],
  }),
  'config history': spec({
    summary: 'list the versions of a key, newest first',
    operands: [KEY],
    examples: ['rollcall config history app/motd --limit 5'],
  }),
  'config diff': spec({
    summary: 'show what changed between two versions, or between a file and the current value',
    usage: 'KEY [FROM [TO]] | KEY FILE|-',
    operands: [
      KEY,
      { name: 'FROM|FILE', such: '2', optional: true, offer: 'file' },
      { name: 'TO', such: '3', optional: true },
    ],
    notes: [
      'A whole number is a version (./2 is a file of that name). Without one: the last change. With FROM alone: from that version to the current one. With a file: what putting it would change.',
    ],
    examples: [
      'rollcall config diff app/motd',
      'rollcall config diff app/motd 2 5',
      'rollcall config diff app/motd motd.txt',
    ],
  }),
  'config rollback': spec({
    summary: 'make an old version the newest: a new version with its bytes',
    operands: [KEY, { name: 'VERSION', such: '2' }],
    examples: ['rollcall config rollback app/motd 2 --comment "the new one was rude"'],
  }),
  'config watch': spec({
    summary: 'follow the changes of keys: KEY, or PREFIX*',
    operands: [{ name: 'KEY|PREFIX*', such: "'app/*'", many: true, offer: 'key' }],
    examples: ["rollcall config watch 'app/*'", 'rollcall config watch app/motd --values'],
  }),
  'config import': IMPORT,
  'config export': spec({
    summary: 'write all values under a prefix, with their types, as NDJSON or a tar archive',
    operands: [PREFIX],
    examples: [
      'rollcall config export app/ > app.ndjson',
      'rollcall config export --tar > all.tar',
    ],
  }),
  'config stage put': spec({
    summary: 'stage a value for the callers that a rule names',
    operands: [KEY, STAGE, VALUE],
    examples: ["rollcall config stage put app/motd canary new.txt --rule 'zone=eu;percent=10'"],
  }),
  'config stage list': spec({
    summary: 'list the stages of a key',
    operands: [KEY],
    examples: ['rollcall config stage list app/motd'],
  }),
  'config stage get': spec({
    summary: 'show one stage: its rule and its value',
    operands: [KEY, STAGE],
    examples: ['rollcall config stage get app/motd canary'],
  }),
  'config stage promote': spec({
    summary: 'make the staged value a version, for everybody',
    operands: [KEY, STAGE],
    examples: ['rollcall config stage promote app/motd canary'],
  }),
  'config stage abort': spec({
    summary: 'withdraw a staged value',
    operands: [KEY, STAGE],
    examples: ['rollcall config stage abort app/motd canary'],
  }),
  'config schema put': spec({
    summary: 'set the JSON Schema (2020-12) that every value under a prefix must fit',
    operands: [
      { ...GOVERNED, offer: 'prefix' },
      { name: 'FILE|-', such: 'app.schema.json', optional: true, offer: 'file' },
    ],
    notes: [
      'Values that are neither JSON nor YAML are refused under it. What is stored already stays, and those that do not fit are named.',
    ],
    examples: [
      'rollcall config schema put app/db app.schema.json',
      `rollcall config schema put flags/ --value '{"type":"boolean"}' --if-revision 0`,
    ],
  }),
  'config schema list': spec({
    summary: 'list the schemas on prefixes that begin so',
    operands: [PREFIX],
    examples: ['rollcall config schema list', 'rollcall config schema list app/ --output json'],
  }),
  'config schema get': spec({
    summary: 'write the schema of a prefix to standard output, byte for byte',
    operands: [GOVERNED],
    examples: ['rollcall config schema get app/db > app.schema.json'],
  }),
  'config schema delete': spec({
    summary: 'let values under a prefix be anything again',
    operands: [GOVERNED],
    examples: ['rollcall config schema delete app/db'],
  }),
  'config listeners': spec({
    summary: 'show who watches a key, and which version each of them holds',
    operands: [KEY],
    notes: [
      'With --version the exit code tells whether all of them hold that version, or a newer one; with --wait it is waited for.',
    ],
    examples: ['rollcall config listeners app/motd --version 7 --wait 30s'],
  }),
  import: IMPORT,
}
