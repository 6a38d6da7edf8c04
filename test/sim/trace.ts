/** What happened in one run, as a hash; as text too, where somebody reads it. */
export class Trace {
  #hash = 0x811c9dc5
  #count = 0
  readonly #print: ((line: string) => void) | null

  constructor(print: ((line: string) => void) | null) {
    this.#print = print
  }

  /** Whether details are worth making. */
  get isRead(): boolean {
    return this.#print !== null
  }

  /** Everything that tells two runs apart goes into the hash; `detail` is for reading alone. */
  note(atMs: number, what: string, number = 0, detail?: () => string): void {
    this.#count += 1
    this.#mix(Math.round(atMs * 1_000) | 0)
    for (let i = 0; i < what.length; i++) this.#mix(what.charCodeAt(i))
    this.#mix(number | 0)
    if (this.#print === null) return
    this.comment(atMs, `${what} ${number}${detail === undefined ? '' : `  ${detail()}`}`)
  }

  /** For reading alone: not part of the hash. */
  comment(atMs: number, text: string): void {
    this.#print?.(`${atMs.toFixed(3).padStart(10)}  ${text}`)
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193)
    this.#hash ^= this.#hash >>> 15
  }

  /** 8 hexadecimal digits, and how many notes they cover. */
  get hash(): string {
    return `${(this.#hash >>> 0).toString(16).padStart(8, '0')}-${this.#count}`
  }
}
