/** What a node runs under, changed between its starts: strace that hurts its system calls. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../support/until.ts'
import { binary } from '../support/program.ts'

/** What makes a write durable; SQLite calls the second, the log both. */
const SYNCS = 'fdatasync,fsync'

/** Which calls fail. */
interface When {
  readonly from: number
  /** Null: all that follow, too. */
  readonly times: number | null
}

function textOf({ from, times }: When): string {
  return times === null ? `${from}+` : `${from}..${from + times - 1}`
}

/** The command of one node, as `ClusterOptions.command` wants it. */
export class Tracer {
  readonly #script: string
  readonly #trace: string

  constructor(folder: string, name: string) {
    this.#script = join(folder, `${name}.sh`)
    this.#trace = join(folder, `${name}.trace`)
    this.nothing()
  }

  get command(): readonly string[] {
    return ['sh', this.#script, binary()]
  }

  /** The next start is like any other. */
  nothing(): void {
    this.#write([])
  }

  /** Every sync waits so long before it happens, and is put down when it begins. */
  delaySyncs(ms: number): void {
    this.#inject(SYNCS, `delay_enter=${ms * 1_000}`)
  }

  /** Calls of fdatasync fail; each thread counts its own. */
  failSyncs(when: When): void {
    this.#inject('fdatasync', `error=EIO:when=${textOf(when)}`)
  }

  /** Writes to that file find no room; each thread counts its own. */
  refuseWrites(path: string, when: When): void {
    const calls = 'write,pwrite64,ftruncate,fallocate'
    this.#inject(calls, `error=ENOSPC:when=${textOf(when)}`, ['-P', path])
  }

  /** How many calls have begun since the start. */
  get begun(): number {
    if (!existsSync(this.#trace)) return 0
    return readFileSync(this.#trace, 'utf8').match(/\b\w+\(\d+/g)?.length ?? 0
  }

  /** How many calls were answered with the error that was asked for. */
  get injected(): number {
    if (!existsSync(this.#trace)) return 0
    return readFileSync(this.#trace, 'utf8').match(/\(INJECTED\)/g)?.length ?? 0
  }

  /** Waits until the `nth` call has begun, and is being held up. */
  async reaches(nth: number, isRunning: () => boolean): Promise<void> {
    await until(
      `sync call ${nth} begins`,
      () => {
        if (this.begun >= nth) return true
        if (!isRunning()) throw new Error('the process has ended')
        return false
      },
      { everyMs: 1 },
    )
  }

  #inject(calls: string, what: string, more: readonly string[] = []): void {
    rmSync(this.#trace, { force: true })
    const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:${what}`]
    // -D: the node is our child, not the tracer's, so signals and its end are its own.
    this.#write(['strace', '-D', '-f', '-qq', ...more, ...inject, '-o', this.#trace])
  }

  #write(prefix: readonly string[]): void {
    const quoted = prefix.map((word) => `'${word}'`).join(' ')
    writeFileSync(this.#script, `exec ${quoted} "$@"\n`)
  }
}
