/**
 * The shell lines of a document that are run by a test, word for word. A block is tagged by a
 * comment before its fence:
 *
 *     <!-- test: NAME -->
 *     ```sh
 *     curl …
 *     # → text that the output must hold
 *     ```
 *
 * Blocks of one name are one script. A line that ends in `\` goes on in the next one.
 */
import process from 'node:process'

export interface Step {
  /** As a reader would paste it. */
  readonly command: string
  readonly expected: readonly string[]
}

const BLOCK = /<!--\s*test:\s*(\S+)\s*-->\s*\n+```sh\n([\s\S]*?)\n```/g
const TAG = /<!--\s*test:/g
const RESULT = '# → '

/** The steps of every tagged block, by name. Throws where a tag has no block behind it. */
export function scripts(markdown: string): ReadonlyMap<string, readonly Step[]> {
  const found = new Map<string, Step[]>()
  let blocks = 0
  for (const [, name = '', body = ''] of markdown.matchAll(BLOCK)) {
    blocks += 1
    found.set(name, [...(found.get(name) ?? []), ...steps(body)])
  }
  const tags = [...markdown.matchAll(TAG)].length
  if (tags !== blocks) throw new Error(`${tags} tags, but ${blocks} sh blocks right behind them`)
  return found
}

function steps(body: string): Step[] {
  const list: { command: string; expected: string[] }[] = []
  let isOpen = false
  for (const line of body.split('\n')) {
    const last = list.at(-1)
    if (isOpen && last !== undefined) {
      last.command += `\n${line}`
      isOpen = line.endsWith('\\')
    } else if (line.trimStart().startsWith(RESULT)) {
      if (last === undefined) throw new Error(`no command before "${line}"`)
      last.expected.push(line.trimStart().slice(RESULT.length).trim())
    } else if (line.trim() !== '' && !line.startsWith('#')) {
      list.push({ command: line, expected: [] })
      isOpen = line.endsWith('\\')
    }
  }
  return list
}

/** What a shell says to a command, both outputs in one, and its exit code. */
export async function shell(
  command: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = Bun.spawn(['sh', '-c', `${command}\n`], {
    env,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code: child.exitCode, said: out + err }
}
