/** The rows of the table of commands that are about services, locks, leases and watches. */
import type { CommandSpec, Operand } from './commands.ts'
import { readName, readPrefix } from './values.ts'

const spec = (given: CommandSpec): CommandSpec => given

const SERVICE: Operand = { name: 'SERVICE', such: 'web', read: readName, offer: 'service' }
const ID: Operand = { name: 'ID', such: 'web-1', read: readName }
const LEASE: Operand = { name: 'LEASE', such: '"$LEASE"', read: readName }
const LOCK: Operand = { name: 'NAME', such: 'nightly', read: readName, offer: 'lock' }
const PREFIX: Operand = { name: 'PREFIX', such: 'web', optional: true, read: readPrefix }

export const REGISTRY_COMMANDS = {
  'service list': spec({
    summary: 'list services, with how many of their instances are available',
    operands: [PREFIX],
    examples: ['rollcall service list', 'rollcall service list --output json'],
  }),
  'service get': spec({
    summary: 'show the instances of a service, or one of them',
    operands: [SERVICE, { ...ID, optional: true }],
    examples: ['rollcall service get web --available', 'rollcall service get web web-1'],
  }),
  'service register': spec({
    summary: 'register an instance and keep it alive until Ctrl-C, then take it away',
    operands: [SERVICE, ID],
    notes: [
      'It beats every third of --ttl and registers again where it had expired. --once registers and ends: with --ttl others have to beat; without it the instance stays until it is deleted.',
      '--file takes all that API.md knows about an instance, as JSON; flags win over it.',
    ],
    examples: [
      'rollcall service register web web-1 --address 10.0.0.5 --port 8080 --zone eu-1',
      'rollcall service register db db-1 --address 10.0.0.9 --port 5432 --once',
    ],
  }),
  'service deregister': spec({
    summary: 'take an instance away',
    operands: [SERVICE, ID],
    examples: ['rollcall service deregister web web-1'],
  }),
  'service drain': spec({
    summary: 'send no new traffic to an instance, or to all of one host; --undo ends it',
    usage: 'SERVICE ID | --node NODE',
    operands: [
      { ...SERVICE, optional: true },
      { ...ID, optional: true },
    ],
    examples: [
      'rollcall service drain web web-1 --reason deploy',
      'rollcall service drain --node host-7',
      'rollcall service drain web web-1 --undo',
    ],
  }),
  'service watch': spec({
    summary: 'follow the changes of one service, or of all',
    operands: [{ ...SERVICE, optional: true }],
    examples: ['rollcall service watch web'],
  }),
  lock: spec({
    summary: 'run a command while holding a lock',
    operands: [LOCK],
    rest: 'CMD',
    notes: [
      'CMD runs in a process group of its own, with ROLLCALL_LOCK (the name), ROLLCALL_LOCK_TOKEN (the fencing token) and ROLLCALL_ENDPOINT in its environment. Signals are passed on to it.',
      'Before the lock can be lost, the whole group has been ended: SIGTERM --grace before the time that the last answered renewal vouches for, less a margin, then SIGKILL. Where CMD ends by itself, what it left behind in its group is ended before the lock is released.',
      'Exit code: that of CMD; 128 + N where signal N ended it; 126 or 127 where it cannot be run; 1 where the lock was not granted or was lost.',
    ],
    examples: [
      'rollcall lock nightly -- ./backup.sh',
      'rollcall lock nightly --wait 0s -- ./backup.sh',
      'rollcall lock gpu --limit 4 -- ./train.sh',
    ],
  }),
  'lock list': spec({
    summary: 'list locks, who holds them and how many wait',
    operands: [PREFIX],
    examples: ['rollcall lock list'],
  }),
  'lock get': spec({
    summary: 'show the holders and waiters of a lock; with --token whether that token holds it',
    operands: [LOCK],
    examples: ['rollcall lock get nightly', 'rollcall lock get nightly --token 1234'],
  }),
  'lock release': spec({
    summary: 'release a lock for whoever holds it with --token',
    operands: [LOCK],
    examples: ['rollcall lock release nightly --token 1234'],
  }),
  'lease grant': spec({
    summary: 'make a lease, and write its id to standard output',
    operands: [],
    examples: ['LEASE=$(rollcall lease grant --ttl 30s)'],
  }),
  'lease renew': spec({
    summary: 'renew a lease once; with --keep until Ctrl-C',
    operands: [LEASE],
    examples: ['rollcall lease renew "$LEASE" --keep'],
  }),
  'lease revoke': spec({
    summary: 'end a lease, and all that hangs on it',
    operands: [LEASE],
    examples: ['rollcall lease revoke "$LEASE"'],
  }),
  'lease get': spec({
    summary: 'show a lease and what hangs on it',
    operands: [LEASE],
    examples: ['rollcall lease get "$LEASE"'],
  }),
  watch: spec({
    summary:
      'follow changes: services, services/NAME, config/KEY, config/PREFIX*, locks/NAME, members',
    operands: [{ name: 'TOPIC', such: 'services/web', many: true, offer: 'topic' }],
    notes: [
      'Events come in order, none missing, none twice, over the loss of a node. --since N begins behind revision N, which must still be kept. --output json writes one object a line.',
    ],
    examples: [
      "rollcall watch services 'config/app/*'",
      'rollcall watch services/web --since 1200 --output json',
    ],
  }),
}
