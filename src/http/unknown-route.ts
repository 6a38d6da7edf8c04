/** The answer where no route matches: 405 with `Allow`, or 404 that names the nearest route. */
import type { Hono } from 'hono'

import { editDistance } from '../lib/nearest.ts'
import type { Call, Env } from './edge.ts'
import { ApiError, invalid, problem } from './error.ts'

interface Route {
  readonly method: string
  readonly path: string
  readonly segments: readonly string[]
}

/** How much of a path is compared: longer ones are no slip of the finger. */
const COMPARED_MAX = 256
/** A part too many, or none: worse than a slip, so that `/renw` is `/renew` rather than too much. */
const PART_COST = 1.25

/** Of an app whose routes are all registered. Returned, not thrown: Hono catches nothing here. */
export function unknownRoute(app: Hono<Env>): (c: Call) => Response {
  const routes = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({ method, path: readable(path), segments: path.split('/') }))
  return (c) => {
    const path = c.req.path
    const segments = path.split('/')
    const here = routes.filter((route) => matches(route, segments))
    if (here.length > 0) return otherMethod(c, here)
    if (path.startsWith('/v1/') && (path.includes('//') || path === '/v1/config/')) {
      return problem(invalid('path', 'must not have an empty segment'), c.req.method)
    }
    const near = nearestRoute(c.req.method, path, routes)
    const hint = near === null ? '' : `; the nearest is ${near}`
    const detail = `there is no such route${hint}`
    return problem(new ApiError('no_such_route', detail, { nearest: near }), c.req.method)
  }
}

function otherMethod(c: Call, routes: readonly Route[]): Response {
  const methods = new Set(routes.map(({ method }) => method))
  if (methods.has('GET')) methods.add('HEAD')
  const allow = [...methods, 'OPTIONS'].sort().join(', ')
  if (c.req.method === 'OPTIONS')
    return new Response(null, { status: 204, headers: { Allow: allow } })
  const detail = `this resource answers ${allow}`
  const error = new ApiError('method_not_allowed', detail, {}, { Allow: allow })
  return problem(error, c.req.method)
}

/** `/v1/config/:key{.+}` as people write it: `/v1/config/{key}`. */
export function readable(path: string): string {
  return path.replaceAll(/:([a-z]+)(?:\{[^}]*\})?/g, '{$1}')
}

function matches({ segments }: Route, given: readonly string[]): boolean {
  const takesRest = segments.at(-1)?.endsWith('{.+}') === true
  if (takesRest ? given.length < segments.length : given.length !== segments.length) return false
  return segments.every((segment, i) => {
    if (!segment.startsWith(':')) return segment === given[i]
    return given[i] !== '' || (takesRest && given.length > segments.length)
  })
}

/** The route whose fixed parts are the fewest slips away; null where none is near. */
function nearestRoute(method: string, path: string, routes: readonly Route[]): string | null {
  const given = path.slice(0, COMPARED_MAX).split('/')
  let best: Route | null = null
  let bestCost = Math.max(3, path.length / 3)
  for (const route of routes) {
    // Among equals one of the same method is meant.
    const cost = routeDistance(route, given) + (route.method === method ? 0 : 0.5)
    if (cost < bestCost) [best, bestCost] = [route, cost]
  }
  return best === null ? null : `${best.method} ${best.path}`
}

function routeDistance({ segments }: Route, given: readonly string[]): number {
  let distance = Math.abs(segments.length - given.length) * PART_COST
  for (const [i, segment] of segments.entries()) {
    const other = given[i]
    if (other === undefined) continue
    if (!segment.startsWith(':')) distance += editDistance(segment, other.slice(0, 64))
    else if (other === '') distance += PART_COST
  }
  return distance
}
