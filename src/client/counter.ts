/** A whole number under a configuration key, counted by transactions: no addition is ever lost. */
import { foreign, readCell, swapCell } from './cell.ts'
import type { Cell } from './cell.ts'
import { RollcallError } from './error.ts'
import type { Session } from './session.ts'

export interface Counter {
  readonly key: string
  /** 0 where there is no such key. */
  get(): Promise<number>
  /** Adds, and answers the sum. Throws `outcome_unknown` where it may or may not have been added. */
  add(by?: number): Promise<number>
}

export function counter(session: Session, key: string): Counter {
  const numberOf = ({ text, version }: Cell): number => {
    const value = Number(version === 0 ? '0' : text)
    if (version !== 0 && !/^-?\d+$/.test(text)) throw foreign(key, 'whole number')
    return value
  }
  return {
    key,
    get: async () => numberOf(await readCell(session, key)),
    add: async (by = 1) => {
      for (;;) {
        const cell = await readCell(session, key)
        const sum = numberOf(cell) + by
        if (!Number.isSafeInteger(sum)) {
          throw new RollcallError('invalid_argument', `"${key}" would be ${sum}; nothing was added`)
        }
        // Where it fails somebody else has counted: all together never stand still.
        if ((await swapCell(session, key, { cell, text: String(sum) })) !== null) return sum
      }
    },
  }
}
