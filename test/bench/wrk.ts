import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What each request is; `%d` in the path counts through a thousand names. */
export interface Script {
  readonly method: string
  readonly path: string
  readonly body: string
}

export interface WrkResult {
  readonly rate: number
  readonly medianMs: number
  readonly failed: number
}

/** One run of `wrk` with one thread; null where it is not installed. */
export async function wrk(
  url: string,
  given: { readonly connections: number; readonly seconds: number; readonly script: Script },
): Promise<WrkResult | null> {
  if (Bun.which('wrk') === null) return null
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  const file = join(folder, 'load.lua')
  writeFileSync(file, lua(given.script))
  try {
    const threads = ['-t1', `-c${given.connections}`, `-d${given.seconds}`, '--latency']
    const child = Bun.spawn(['wrk', ...threads, '-s', file, url], { stdout: 'pipe' })
    const text = await new Response(child.stdout).text()
    await child.exited
    return {
      rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
      medianMs: toMs(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
      failed: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 }

function toMs(match: RegExpExecArray | null): number {
  return Number(match?.[1] ?? 0) * (UNIT_MS[match?.[2] ?? 'ms'] ?? 1)
}

function lua({ method, path, body }: Script): string {
  return [
    'local n = 0',
    `wrk.method = ${JSON.stringify(method)}`,
    body === '' ? '' : `wrk.body = ${JSON.stringify(body)}`,
    'request = function()',
    '  n = n + 1',
    `  return wrk.format(nil, string.format(${JSON.stringify(path)}, n % 1000))`,
    'end',
  ].join('\n')
}
