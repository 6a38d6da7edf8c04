/** A page that runs the scenario against the origin it came from, and tells it what it saw. */
import { scenario } from './scenario.ts'

const { origin } = new URL(import.meta.url)
const answer = await fetch('/endpoints')
const paths = (await answer.json()) as string[]
const seen = await scenario(paths.map((path) => `${origin}${path}`)).catch(String)
await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) })
