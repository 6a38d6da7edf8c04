/** Columns that many tables share. */

/** What every replicated row ends with. */
export interface Tail {
  createdRevision: number
  revision: number
  /** The leader's wall clock, for display only. */
  createdAtMs: number
  updatedAtMs: number
  attributes: string | null
}

export const NAME = 'TEXT NOT NULL'
export const INT = 'INTEGER NOT NULL'

export const tail = {
  createdRevision: INT,
  revision: INT,
  createdAtMs: INT,
  updatedAtMs: INT,
  attributes: 'TEXT',
} as const
