import { assert } from '../lib/assert.ts'

/** A decoded value of the wrong shape: a peer of another make, or a hostile one. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

/**
 * Reads a positional array item by item, each of one type alone. Every method throws
 * {@link CodecError}; `end()` refuses what is left over.
 */
export class Fields {
  readonly #items: readonly unknown[]
  #at = 0

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw new CodecError('not a list')
    this.#items = value
  }

  get left(): number {
    return this.#items.length - this.#at
  }

  /** A safe integer ≥ 0. */
  int(): number {
    const value = this.any()
    if (!isCount(value)) throw new CodecError('not a safe integer ≥ 0')
    return value
  }

  intOrNull(): number | null {
    const value = this.any()
    if (value !== null && !isCount(value)) throw new CodecError('not a safe integer ≥ 0')
    return value
  }

  bool(): boolean {
    const value = this.any()
    if (typeof value !== 'boolean') throw new CodecError('not a boolean')
    return value
  }

  bytes(): Uint8Array {
    const value = this.any()
    if (!(value instanceof Uint8Array)) throw new CodecError('not bytes')
    return value
  }

  /** At least one character. */
  text(lengthMax: number): string {
    const value = this.any()
    if (typeof value !== 'string' || value === '') throw new CodecError('not a text')
    if (value.length > lengthMax) throw new CodecError(`a text over ${lengthMax} characters`)
    return value
  }

  textOrNull(lengthMax: number): string | null {
    if (this.#items[this.#at] !== null) return this.text(lengthMax)
    this.#at += 1
    return null
  }

  any(): unknown {
    if (this.#at >= this.#items.length) throw new CodecError('fields are missing')
    return this.#items[this.#at++]
  }

  end(): void {
    assert(this.#at <= this.#items.length, 'nothing is read beyond the end')
    if (this.left > 0) throw new CodecError('fields that are not known')
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
