/** What a request is told that this node, or the cluster, could not serve. */
import type { Failure } from '../http/registry.ts'
import type { CallFailure } from './leader-calls.ts'

const FAILURES: Readonly<Record<string, Failure>> = {
  no_leader: {
    ok: false,
    failure: 'no_leader',
    detail: 'no leader was known within the time of this request; nothing was applied, try again',
  },
  too_stale: {
    ok: false,
    failure: 'too_stale',
    detail: 'this node has not applied what was asked for within the time of this request',
  },
  fenced: {
    ok: false,
    failure: 'fenced',
    detail:
      'the state of this node was found wrong: nothing is answered from it until it is replaced; ask another node',
  },
  too_many_requests: {
    ok: false,
    failure: 'too_many_requests',
    detail: 'a queue is full or the disk is; nothing was applied, try again a little later',
  },
  unknown: {
    ok: false,
    failure: 'outcome_unknown',
    detail:
      'leadership or time was lost after the write was sent: it may have been applied; repeat it with the same Idempotency-Key if it had one, else read first',
  },
}

/** Whoever asks over HTTP was passed on to the leader (`http/forward.ts`). */
export const NO_STATE: Failure = {
  ok: false,
  failure: 'too_stale',
  detail: 'this node is a witness and keeps no state; ask a data node',
}

export function failure(code: CallFailure['code'] | 'too_stale' | 'fenced'): Failure {
  return FAILURES[code] as Failure
}
